"""The objects that end a round's aggregation: the next model version, what the next round needs beside, and its story."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fedface_core.domain.results import Aggregation
from fedface_learning.formats.class_embeddings import encode_class_embeddings
from fedface_learning.formats.codec import encode_tensors, sha256_hex
from fedface_learning.strategies import ServerResult


@dataclass(frozen=True)
class ReducedRound:
    """The objects to put, then the aggregation to report."""

    model: bytes
    class_embeddings: bytes
    server_state: bytes | None
    """None where the aggregator keeps nothing for the next round."""
    guidance: bytes | None
    """None where the strategy gives clients none."""
    aggregation: Aggregation


def reduced_round(
    model: bytes,
    result: ServerResult,
    *,
    folded: int,
    images: int,
    refused: Mapping[str, str],
    uploaded_bytes: int = 0,
    update_norm: float | None = None,
    loss_before: float | None = None,
    loss_after: float | None = None,
) -> ReducedRound:
    """Encode what the strategy made beside the new global ``model``."""
    class_embeddings = encode_class_embeddings(result.class_embeddings_CD)
    server_state = encode_tensors(result.state) if result.state else None
    guidance = encode_tensors(result.guidance) if result.guidance else None
    stats = result.stats
    aggregation = Aggregation(
        model_sha256=sha256_hex(model),
        class_embeddings_sha256=sha256_hex(class_embeddings),
        server_state_sha256=sha256_hex(server_state) if server_state else None,
        guidance_sha256=sha256_hex(guidance) if guidance else None,
        folded=folded,
        images=images,
        uploaded_bytes=uploaded_bytes,
        refused=dict(sorted(refused.items())),
        update_norm=update_norm,
        loss_before=loss_before,
        loss_after=loss_after,
        spreadout_loss=stats.loss,
        mean_off_diagonal_cosine=stats.mean_off_diagonal_cosine,
        max_off_diagonal_cosine=stats.max_off_diagonal_cosine,
    )
    return ReducedRound(model, class_embeddings, server_state, guidance, aggregation)
