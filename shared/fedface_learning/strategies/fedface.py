"""FedFace (Aggarwal et al., IJCB 2021): each client draws its images to its class embedding; the server spreads these."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import normalize

from fedface_core.domain.plan import Plan
from fedface_learning.objectives.losses import positive_squared_hinge
from fedface_learning.objectives.spreadout import spread
from fedface_learning.strategies.strategy import NOTHING, ClientRound, ServerResult, ServerRound, Strategy, Tensors


def hinge(client_round: ClientRound, features_ND: Tensor) -> Tensor:
    """FedFace's loss of raw features (N, D): ``mean_i max(0, m − w_c·f(x_i))²``, a scalar."""
    embeddings_ND = normalize(features_ND - client_round.network.centre)
    return positive_squared_hinge(embeddings_ND, client_round.class_embedding_D, client_round.plan.local_training.margin)


def spread_out(server_round: ServerRound) -> ServerResult:
    """W (C, D) after one spreadout. The network stays the average."""
    return ServerResult(*spread(server_round.class_embeddings_CD, server_round.plan.spreadout))


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
