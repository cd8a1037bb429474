"""FedFace (Aggarwal et al., IJCB 2021): each client draws its images to its class embedding; the server spreads these."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import normalize

from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.spreadout import SpreadoutPlan
from fedface_core.domain.round_kind import ENROLMENT_ROUND
from fedface_learning.objectives.losses import positive_squared_hinge
from fedface_learning.objectives.spreadout import spread
from fedface_learning.strategies.strategy import NOTHING, ClientRound, ServerResult, ServerRound, Strategy, Tensors


def hinge(client_round: ClientRound, features_ND: Tensor) -> Tensor:
    """FedFace's loss of raw features (N, D): ``mean_i max(0, m − w_c·f(x_i))²``, a scalar."""
    embeddings_ND = normalize(features_ND - client_round.network.centre)
    return positive_squared_hinge(embeddings_ND, client_round.class_embedding_D, client_round.plan.local_training.margin)


def spread_out(server_round: ServerRound) -> ServerResult:
    """W (C, D) after one spreadout, if there is one in this round. The network stays the average."""
    return ServerResult(*spread(server_round.class_embeddings_CD, spreadout_in(server_round)))


def spreadout_in(server_round: ServerRound) -> SpreadoutPlan:
    """The plan's spreadout in this round: without steps at enrolment, if the plan leaves it out there."""
    plan = server_round.plan.spreadout
    is_left_out = server_round.number == ENROLMENT_ROUND and not plan.at_enrolment
    return plan.model_copy(update={"steps": 0}) if is_left_out else plan


def _fixed(_plan: Plan) -> None:
    return None


def _no_uploads(_client_round: ClientRound, _features_ND: Tensor) -> Tensors:
    return NOTHING


def _no_shapes(_plan: Plan) -> dict[str, tuple[int, ...]]:
    return {}


FEDFACE = Strategy(
    loss=hinge,
    class_embedding_rate=_fixed,
    uploads=_no_uploads,
    upload_shapes=_no_shapes,
    take_part=None,
    finish=spread_out,
)
