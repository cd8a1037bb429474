"""The objects that end a round's aggregation: the next model version, the class embeddings, and what to say of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from fedface_core.domain.events import Aggregation
from fedface_core.learning.class_embeddings import encode_class_embeddings
from fedface_core.learning.codec import sha256_hex
from fedface_core.learning.models import EmbeddingNetwork
from fedface_core.learning.spreadout import SpreadoutStats
from fedface_core.learning.weights import encode_network


@dataclass(frozen=True)
class ReducedRound:
    """Two objects to put, then the aggregation to report."""

    model: bytes
    class_embeddings: bytes
    aggregation: Aggregation


def reduced_round(
    network: EmbeddingNetwork,
    spread_out: tuple[Tensor, SpreadoutStats],
    *,
    folded: int,
    images: int,
    refused: Mapping[str, str],
    update_norm: float | None = None,
    loss_before: float | None = None,
    loss_after: float | None = None,
) -> ReducedRound:
    """Encode the new global model and the spread class embeddings."""
    class_embeddings_CD, stats = spread_out
    model, class_embeddings = encode_network(network), encode_class_embeddings(class_embeddings_CD)
    aggregation = Aggregation(
        model_sha256=sha256_hex(model),
        class_embeddings_sha256=sha256_hex(class_embeddings),
        folded=folded,
        images=images,
        refused=dict(sorted(refused.items())),
        update_norm=update_norm,
        loss_before=loss_before,
        loss_after=loss_after,
        spreadout_loss=stats.loss,
        mean_off_diagonal_cosine=stats.mean_off_diagonal_cosine,
        max_off_diagonal_cosine=stats.max_off_diagonal_cosine,
    )
    return ReducedRound(model, class_embeddings, aggregation)
