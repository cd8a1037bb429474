"""Fused rounds: if each client takes one gradient step, a round is one gradient step on the images of all its clients.

Client c makes ``f − η·∇L_c`` of the global model f, so the average of the models is ``f − η·Σ n_c ∇L_c / Σ n_c``: one step
on the mean loss of all images. A class embedding that a client learns is in its own loss only, and takes a step by that. It
takes one batch instead of one after the other, encodes no update and checks none. The next model equals that of the faithful
way within 1e-5: sums are rounded in another order, and over many rounds such a difference grows, as between two kinds of
CPU. It is for studies: whatever acts on single updates, such as clipping, an encoding or a refusal, has nothing to act on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isfinite
from typing import Final

import torch
from torch import Tensor
from torch.nn.functional import normalize

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.aggregation import AdaptivePlan
from fedface_core.domain.plan.strategy import IN_PROCESS
from fedface_core.domain.plan.update_encoding import Float32Plan
from fedface_learning.aggregation import TrainingPartial
from fedface_learning.aggregation.partial_sums import add_sums
from fedface_learning.aggregation.training_partial import weighted_loss
from fedface_learning.client.batches import batches
from fedface_learning.client.local_training import Trainee, TrainingRound, describes_trained
from fedface_learning.device import making_tensors_on, moved, on_host
from fedface_learning.formats.codec import encode_tensors
from fedface_learning.models import build_network
from fedface_learning.models.embedding import features_of_pixels
from fedface_learning.models.weights import network_tensors
from fedface_learning.objectives.class_sums import BEFORE_AND_AFTER, ClassSums
from fedface_learning.simulation.client_work import RoundInputs, trainees_of, training_round_of
from fedface_learning.strategies import Tensors, strategy_of
from fedface_learning.strategies.anchored_loss import anchored_embeddings, client_loss
from fedface_learning.strategies.mean_embeddings import renewed_class_embedding
from fedface_learning.updates.careful_check import unit_directions
from fedface_learning.updates.norm import update_norm

IMAGES_AT_ONCE: Final = 120
"""How many images a forward pass has, or one client's if these are more. Gradients of several passes are added."""


_ROUNDING: Final = 2.0**-24
"""How much the changes of a parameter below 1 may differ between the two ways: two roundings of the parameter."""
_MOST_DIFFERENCE: Final = 1e-5
"""Between the parameters of the next model."""


def require_fusable(plan: Plan) -> None:
    """`InvalidInputError` if a round of the plan is not one gradient step on the images of all its clients; it says why."""
    reasons = list(_why_not(plan))
    if reasons:
        raise InvalidInputError(f"the rounds of this plan cannot be fused: {'; '.join(reasons)}")


def _why_not(plan: Plan) -> Iterator[str]:
    name = plan.strategy.name
    local = plan.local_training
    if name in IN_PROCESS:
        yield f"strategy: {name!r} has no federated rounds"
        return
    if describes_trained(plan):
        yield "strategy.embedded_by: class embeddings by the networks that clients have trained; set it to 'base'"
    if local.steps != 1:
        yield f"local_training.steps is {local.steps}, and must be 1"
    if local.losses != "seen":
        yield "local_training.losses: nobody has the trained networks to measure them with; set it to 'seen'"
    if local.vectorised_clients > 1:
        yield "local_training.vectorised_clients: all clients train at once in any case; leave it out"
    if plan.model.centring:
        yield "model.centring: the centre needs the networks that clients have trained"
    elif build_network(plan.model).has_batch_norm:
        yield f"model.architecture: {plan.model.architecture} normalises each client's batch by itself"
    if plan.aggregation.is_asynchronous:
        yield "aggregation.mode is asynchronous"
    optimiser = plan.aggregation.optimiser
    if isinstance(optimiser, AdaptivePlan):
        least = optimiser.learning_rate * _ROUNDING / _MOST_DIFFERENCE
        if optimiser.epsilon < least:
            yield (
                f"aggregation.optimiser.epsilon is {optimiser.epsilon:g}, and rounding would decide steps; it must be "
                f"{1.1 * least:.2g} or more (raise local_training.learning_rate as much, and the run stays the same)"
            )
    if plan.aggregation.clipping is not None:
        yield "aggregation.clipping acts on single updates"
    if not isinstance(plan.update_encoding, Float32Plan):
        yield f"update_encoding: {plan.update_encoding.name} loses something of each update"


def fused_partial(inputs: RoundInputs, images: Mapping[str, Tensor]) -> tuple[TrainingPartial, dict[str, Tensor]]:
    """The partial of a whole round, and what each client keeps of its update.

    ``images`` is client → its images (N, C, H, W), uint8. The plan must be fusable. The global model is left in the
    trainer's network. `InvalidInputError` if a client's loss is not finite, or if the average is farther from the global
    model than an update may be: the faithful way refuses single updates then.
    """
    training = training_round_of(inputs)
    trainees = trainees_of(inputs, images)
    total = sum(len(trainee.images_NCHW) for trainee in trainees)
    network = inputs.trainer.reset()
    network.eval()
    parameters = dict(network.named_parameters())
    partial = TrainingPartial(images=total, folded=len(trainees))
    kept: dict[str, Tensor] = {}
    network.zero_grad()
    losses: list[Tensor] = []
    uploads: list[Tensors] = []
    for group in _groups(trainees):
        losses_of_group, uploads_of_group = _add_gradients(inputs, group, training, total)
        losses.append(losses_of_group)
        uploads += uploads_of_group
    for trainee, loss, further in zip(trainees, torch.cat(losses).tolist(), uploads, strict=True):
        if not isfinite(loss):
            raise InvalidInputError(
                f"the loss of {trainee.client} is {loss} in round {inputs.number}; without fused rounds the others go on"
            )
        partial.loss_before += weighted_loss(len(trainee.images_NCHW), loss)
        _add_uploads(partial, kept, trainee.client, further, inputs.plan)
    partial.loss_after = partial.loss_before
    rate_share, _ = inputs.plan.rate_shares(inputs.number)
    rate = inputs.plan.local_training.learning_rate * rate_share
    before = inputs.trainer.global_model
    average = dict(before)
    for name, parameter in parameters.items():
        if parameter.grad is not None:
            average[name] = (before[name].double() - rate * parameter.grad.double()).to(parameter.dtype)
    network.zero_grad()
    average = on_host(average)
    started_from = inputs.trainer.started_from
    _require_within_norm(update_norm(average, started_from), inputs)
    partial.changes.add(average, started_from, total, inputs.plan.fraction_bits)
    partial.size = len(trainees) * len(encode_tensors({**network_tensors(network), **uploads[0]}))
    return partial, kept


def _groups(trainees: Iterable[Trainee]) -> Iterator[list[Trainee]]:
    group: list[Trainee] = []
    images = 0
    for trainee in trainees:
        if group and images + len(trainee.images_NCHW) > IMAGES_AT_ONCE:
            yield group
            group = []
            images = 0
        group.append(trainee)
        images += len(trainee.images_NCHW)
    yield group


def _add_gradients(
    inputs: RoundInputs, group: Sequence[Trainee], training: TrainingRound, total: int
) -> tuple[Tensor, list[Tensors]]:
    """Add ``Σ n_c ∇L_c / total`` of a group to the gradients of the network; return the losses (K,) and what is uploaded."""
    plan = inputs.plan
    strategy = strategy_of(plan)
    network = inputs.trainer.network
    class_embedding_rate = strategy.class_embedding_rate(plan)
    former = [moved(trainee.class_embedding_D, network.device) for trainee in group]
    rounds = [inputs.trainer.client_round(training, former_D.clone(), former_D) for former_D in former]
    if strategy.renews_class_embedding(plan):
        pixels = [network.pixels(trainee.images_NCHW) for trainee in group]
        whole_ND = features_of_pixels(network, torch.cat(pixels))
        for own, own_ND in zip(rounds, torch.split(whole_ND, [len(own_NCHW) for own_NCHW in pixels]), strict=True):
            own.class_embedding_D.copy_(renewed_class_embedding(own, own_ND))
    for own in rounds:
        own.class_embedding_D.requires_grad_(class_embedding_rate is not None)
    drawn = [
        next(batches(trainee.images_NCHW, plan.local_training, 1, training.seed_of(trainee.client))) for trainee in group
    ]
    counts = [len(batch_NCHW) for batch_NCHW in drawn]
    seen_NCHW = torch.cat([network.pixels(batch_NCHW) for batch_NCHW in drawn])
    features = torch.split(network.features_of_pixels(seen_NCHW), counts)
    anchored: Sequence[Tensor | None] = [None] * len(group)
    if training.anchor is not None:
        anchored = torch.split(anchored_embeddings(training.anchor, seen_NCHW), counts)
    with making_tensors_on(network.device):
        losses = torch.stack([client_loss(*of_client) for of_client in zip(rounds, features, anchored, strict=True)])
    weights = moved(torch.tensor([len(trainee.images_NCHW) / total for trainee in group]), network.device)
    torch.autograd.backward((losses * weights).sum())
    losses = losses.detach()
    if class_embedding_rate is not None:
        rate_share, _ = plan.rate_shares(inputs.number)
        for own, weight in zip(rounds, weights, strict=True):
            _take_step(own.class_embedding_D, class_embedding_rate * rate_share / weight)
    none_0D = torch.empty(0, plan.model.embedding_size)
    return losses, [on_host(strategy.uploads(own, none_0D)) for own in rounds]


def _take_step(class_embedding_D: Tensor, rate: Tensor) -> None:
    """One step along the negative gradient of a class embedding, in place, which ends at unit length and has no gradient."""
    class_embedding_D.requires_grad_(False)
    if class_embedding_D.grad is not None:
        class_embedding_D.copy_(normalize(class_embedding_D - rate * class_embedding_D.grad, dim=0))


def _add_uploads(partial: TrainingPartial, kept: dict[str, Tensor], client: str, further: Tensors, plan: Plan) -> None:
    """Add what a client uploads beside its model, as `TrainingPartial.fold` does."""
    if plan.only_sums:
        before_D, after_D = further[BEFORE_AND_AFTER]
        partial.sums = add_sums(partial.sums, ClassSums.part_of(after_D) - ClassSums.part_of(before_D))
        kept[client] = after_D
    elif further:
        partial.uploaded[client] = {name: unit_directions(name, tensor) for name, tensor in further.items()}


def _require_within_norm(norm: float, inputs: RoundInputs) -> None:
    largest = inputs.plan.cohort.max_update_norm
    if not norm <= largest:
        raise InvalidInputError(
            f"the average of round {inputs.number} would be {norm:g} from the global model, and no update may be farther "
            f"than cohort.max_update_norm, {largest:g}; lower local_training.learning_rate"
        )
