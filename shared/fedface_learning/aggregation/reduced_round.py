"""The result of a round's aggregation: the objects to store, and the record of what was aggregated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from fedface_core.domain.results import Aggregation
from fedface_learning.aggregation.finite import require_finite
from fedface_learning.formats.class_embeddings import encode_class_embeddings
from fedface_learning.formats.codec import encode_tensors, encoded_parts, sha256_hex
from fedface_learning.strategies import ServerResult


@dataclass(frozen=True)
class ReducedRound:
    """The objects to put into the store, and the aggregation to report once they are stored."""

    model: Sequence[bytes | memoryview]
    """The next model version, in parts, which may share the memory of a network."""
    class_embeddings: bytes
    """The next W; empty if class embeddings stay with their clients, and there is none to store."""
    server_state: Sequence[bytes | memoryview]
    """What the aggregator keeps for the next round, in parts; empty if it keeps nothing."""
    guidance: bytes | None
    """The guidance for the next round; None if the strategy gives none."""
    aggregation: Aggregation
    """The SHA-256 of each object, and the round's counts and losses."""


def reduced_round(
    model: Sequence[bytes | memoryview],
    result: ServerResult,
    *,
    folded: int,
    images: int,
    refused: Mapping[str, str],
    clipped: Mapping[str, float] = MappingProxyType({}),
    uploaded_bytes: int = 0,
    update_norm: float | None = None,
    loss_before: float | None = None,
    loss_after: float | None = None,
) -> ReducedRound:
    """Encode the result of a round's strategy, and put it together with the encoded ``model`` and the round's counts.

    ``folded`` updates have ``images`` images and ``uploaded_bytes`` bytes. ``refused`` is client → reason, ``clipped``
    is client → norm. `InvalidInputError` if class embeddings, server state, guidance or a statistic is not finite.
    """
    stats = result.stats
    statistics: dict[str, Tensor | float | None] = {
        "class embeddings (W)": result.class_embeddings_CD,
        "the spreadout loss": stats.loss,
        "the mean cosine of class embeddings": stats.mean_off_diagonal_cosine,
        "the largest cosine of class embeddings": stats.max_off_diagonal_cosine,
    }
    require_finite({**statistics, **result.state, **result.guidance}, "spreadout", "lower spreadout.weight and its rate")
    class_embeddings_CD = result.class_embeddings_CD
    class_embeddings = b"" if class_embeddings_CD is None else encode_class_embeddings(class_embeddings_CD)
    server_state = encoded_parts(result.state) if result.state else ()
    guidance = encode_tensors(result.guidance) if result.guidance else None
    aggregation = Aggregation(
        model_sha256=sha256_hex(*model),
        class_embeddings_sha256=None if class_embeddings_CD is None else sha256_hex(class_embeddings),
        server_state_sha256=sha256_hex(*server_state) if server_state else None,
        guidance_sha256=sha256_hex(guidance) if guidance else None,
        folded=folded,
        images=images,
        uploaded_bytes=uploaded_bytes,
        refused=dict(sorted(refused.items())),
        clipped=dict(sorted(clipped.items())),
        torch=torch.__version__,
        update_norm=update_norm,
        loss_before=loss_before,
        loss_after=loss_after,
        spreadout_loss=stats.loss,
        mean_off_diagonal_cosine=stats.mean_off_diagonal_cosine,
        max_off_diagonal_cosine=stats.max_off_diagonal_cosine,
    )
    return ReducedRound(model, class_embeddings, server_state, guidance, aggregation)
