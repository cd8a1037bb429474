"""FedFace with all other clients as one Gaussian, so that no class embedding is kept beside its client's. Our own.

To push a client's photographs away from the other clients, one need not know their class embeddings. Under CosFace they act
by ``Σ_j e^{s·w_j·f}`` only, and if they are many, their mean and covariance give that sum well
(`fedface_learning.objectives.gaussian_negatives`). Both follow from two sums over all clients, the class sums. So there is
no W: each client keeps its class embedding, its mean embedding by the network of the last round that it took part in. With
each update it takes its old part out of the class sums and puts the new one in. All clients of a round read the sums, and
each takes out its own part, exactly.

The public identities are negatives too, if there are any and the plan uses them (`Plan.public_in_rounds`). The aggregator
takes part on their photographs as in `public_negatives.py`, with the Gaussian of all clients in the place of the rows of W.

C clients, K public identities, N images, D dimensions.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.strategy import GaussianNegativesPlan
from fedface_core.domain.round_kind import ENROLMENT_ROUND
from fedface_learning.device import all_moved
from fedface_learning.objectives.class_sums import BEFORE_AND_AFTER, ClassSums
from fedface_learning.objectives.gaussian_negatives import cosface_with_gaussian
from fedface_learning.objectives.spreadout import SpreadoutStats
from fedface_learning.strategies.fedface import FEDFACE
from fedface_learning.strategies.mean_embeddings import class_embedding_of, embeds_by_base, embeds_by_trained
from fedface_learning.strategies.public_negatives import PUBLIC, renewed_public
from fedface_learning.strategies.public_steps import take_public_steps
from fedface_learning.strategies.strategy import ClientRound, ServerResult, ServerRound, Tensors


def cosface_against_all_others(client_round: ClientRound, features_ND: Tensor) -> Tensor:
    """A client's loss of raw features (N, D), a scalar: CosFace's.

    Its own class embedding is the true class. The others are the public identities, and the Gaussian of all other clients:
    the class sums without its own part, which is still that of its last round.
    """
    own_D = client_round.class_embedding_D
    public = [client_round.guidance[PUBLIC]] if PUBLIC in client_round.guidance else []
    rows_KD = torch.cat([own_D.unsqueeze(0), *public])
    others = ClassSums.of_checked(client_round.guidance) - ClassSums.part_of(client_round.former_class_embedding_D)
    labels_N = torch.zeros(len(features_ND), dtype=torch.int64)
    embeddings_ND = normalize(features_ND - client_round.network.centre)
    return _loss(embeddings_ND, rows_KD, labels_N, others, client_round.plan)


def check_sums(plan: Plan, guidance: Tensors) -> None:
    """`DamagedObjectError` if no clients have the class sums in a round's guidance."""
    ClassSums.read(guidance, plan.model.embedding_size)


def upload_parts(client_round: ClientRound, features_ND: Tensor) -> Tensors:
    """The class embedding that is in the class sums and the one that takes its place, (2, D).

    The latter is the one that the client trained with, made anew before. If there are raw features (N, D) of all its images
    by the network that it trained, it is their mean embedding.
    """
    before_D = client_round.former_class_embedding_D.cpu()
    if not len(features_ND):
        return {BEFORE_AND_AFTER: torch.stack([before_D, client_round.class_embedding_D.cpu()])}
    return {BEFORE_AND_AFTER: torch.stack([before_D, class_embedding_of(client_round.network, features_ND)])}


def train_on_public_photographs(server_round: ServerRound) -> int:
    """Train the network in place as the aggregator's own update, and return how many public photographs a step saw."""
    plan = server_round.plan
    assert isinstance(plan.strategy, GaussianNegativesPlan)
    if not plan.public_in_rounds:
        return 0
    ClassSums.read(server_round.state, plan.model.embedding_size)  # which checks them
    state = all_moved(server_round.state, server_round.device)
    clients = ClassSums.of_checked(state)

    def loss(labels_N: Tensor, embeddings_ND: Tensor) -> Tensor:
        return _loss(embeddings_ND, state[PUBLIC], labels_N, clients, plan)

    return take_public_steps(server_round, plan.strategy.public_steps, loss, plan.strategy.public_batch)


def add_parts(server_round: ServerRound) -> ServerResult:
    """The class sums with what the round's updates changed, and the public class embeddings (K, D).

    The latter are computed anew as in `public_negatives.py`. Both are the strategy's state and the next round's guidance.
    """
    plan = server_round.plan
    size = plan.model.embedding_size
    assert server_round.sums is not None, "each update brings its part of the sums"
    enrols = server_round.number == ENROLMENT_ROUND
    before = ClassSums.empty(size) if enrols else ClassSums.read(server_round.state, size)
    sums = before + server_round.sums
    public = renewed_public(server_round) if plan.public_in_rounds else {}
    known = {**sums.tensors(), **public}
    stats = SpreadoutStats(0.0, sums.mean_cosine, None)
    return ServerResult(None, stats, state=known, guidance=known)


def _loss(embeddings_ND: Tensor, rows_KD: Tensor, labels_N: Tensor, others: ClassSums, plan: Plan) -> Tensor:
    strategy = plan.strategy
    assert isinstance(strategy, GaussianNegativesPlan)
    gaussian = None if strategy.contrast == "public" else others.gaussian()
    return cosface_with_gaussian(embeddings_ND, rows_KD, labels_N, gaussian, scale=strategy.scale, margin=strategy.margin)


def _shapes(plan: Plan) -> dict[str, tuple[int, ...]]:
    return {BEFORE_AND_AFTER: (2, plan.model.embedding_size)}


GAUSSIAN_NEGATIVES = replace(
    FEDFACE,
    loss=cosface_against_all_others,
    uploads=upload_parts,
    upload_shapes=_shapes,
    needs_trained_features=embeds_by_trained,
    renews_class_embedding=embeds_by_base,
    take_part=train_on_public_photographs,
    finish=add_parts,
    check_guidance=check_sums,
)
