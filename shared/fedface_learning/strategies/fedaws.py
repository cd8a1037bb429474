"""FedAwS (Yu et al., *Federated Learning with Only Positive Labels*, ICML 2020): clients learn their class embeddings too.

A client trains its class embedding together with the network, and uploads it. The aggregator puts it into W and spreads W.
Yu et al. minimise ``Σ_{c≠c'} max(0, ν − d(w_c, w_c'))²`` with the cosine distance d = 1 − w_c·w_c'. This is FedFace's
spreadout with the margin 1 − ν. The step differs: with many classes, Yu et al. push away the k nearest rows of each row.
FedFace's spreadout looks at all pairs, and bounds each row's step by the mean of its neighbours (ADR 5).
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.strategy import FedAwSPlan
from fedface_learning.strategies.fedface import FEDFACE, spread_out
from fedface_learning.strategies.strategy import ClientRound, ServerResult, ServerRound, Tensors, with_uploaded_rows

CLASS_EMBEDDING = "class_embedding"


def take_learnt_rows(server_round: ServerRound) -> ServerResult:
    """W (C, D) with the rows that clients have learnt, after one spreadout. Other clients keep their rows until then."""
    return spread_out(replace(server_round, class_embeddings_CD=with_uploaded_rows(server_round, CLASS_EMBEDDING)))


def _rate(plan: Plan) -> float:
    assert isinstance(plan.strategy, FedAwSPlan)
    return plan.strategy.class_learning_rate


def _own_row(client_round: ClientRound, _features_ND: Tensor) -> Tensors:
    return {CLASS_EMBEDDING: client_round.class_embedding_D}


def _needs_no_features(_plan: Plan) -> bool:
    return False


def _row_shape(plan: Plan) -> dict[str, tuple[int, ...]]:
    return {CLASS_EMBEDDING: (plan.model.embedding_size,)}


FEDAWS = replace(
    FEDFACE,
    class_embedding_rate=_rate,
    uploads=_own_row,
    upload_shapes=_row_shape,
    needs_trained_features=_needs_no_features,
    finish=take_learnt_rows,
)
