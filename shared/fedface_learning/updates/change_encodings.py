"""Three ways to write down a change of P numbers in fewer bytes.

Each says what its tensors look like, so that whatever looks otherwise is refused before it is read, and turns a change into
them and back. What comes back is the same bits for the same tensors, on a client that asks what it left out as on the
aggregator. A change that is not finite stays so, and is refused there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import torch
from torch import Tensor

from fedface_core.domain.errors import UpdateRefusedError
from fedface_core.domain.update import RefusalReason

# No parameter has a slash in its name.
FLOAT16: Final = "change/float16"
INT8: Final = "change/int8"
SCALES: Final = "change/scales"
INDICES: Final = "change/indices"
VALUES: Final = "change/values"

_STEPS: Final = 127


class ChangeEncoding(Protocol):
    """How the changes of one network travel."""

    def layout(self) -> dict[str, Tensor]:
        """Names, shapes and dtypes of the encoded tensors, on the meta device: without values."""

    def encode(self, change_P: Tensor) -> dict[str, Tensor]:
        """The tensors that stand for the change (float32)."""

    def decode(self, encoded: Mapping[str, Tensor]) -> Tensor:
        """The change (P,), float32, that tensors of this layout stand for. `UpdateRefusedError` where they do for none."""


@dataclass(frozen=True)
class Float16:
    """Each number to the nearest half-precision one: within 2⁻¹¹ of itself, or by 2⁻²⁵ where it is below 2⁻¹⁴."""

    count: int
    """P."""

    def layout(self) -> dict[str, Tensor]:
        """P numbers."""
        return {FLOAT16: torch.empty(self.count, dtype=torch.float16, device="meta")}

    def encode(self, change_P: Tensor) -> dict[str, Tensor]:
        """Rounded to nearest, ties to even; from 65,520 on it is infinite."""
        return {FLOAT16: change_P.half()}

    def decode(self, encoded: Mapping[str, Tensor]) -> Tensor:
        """Exact."""
        return encoded[FLOAT16].float()


@dataclass(frozen=True)
class Int8:
    """Each number to the nearest multiple of its tensor's scale, largest magnitude / 127: within half a scale of itself."""

    sizes_T: tuple[int, ...]
    """How many of the P numbers are of each tensor, one tensor after the other."""

    def layout(self) -> dict[str, Tensor]:
        """P steps and T scales."""
        return {
            INT8: torch.empty(sum(self.sizes_T), dtype=torch.int8, device="meta"),
            SCALES: torch.empty(len(self.sizes_T), dtype=torch.float32, device="meta"),
        }

    def encode(self, change_P: Tensor) -> dict[str, Tensor]:
        """Ties to even. A tensor that has not changed has zeros, and the smallest scale that is no denormal."""
        parts = change_P.split(self.sizes_T)  # type: ignore[no-untyped-call]
        largest_T = torch.stack([part.abs().max() for part in parts])
        scales_T = (largest_T / _STEPS).clamp_min(torch.finfo(torch.float32).tiny)
        steps = [(part / scale).round().to(torch.int8) for part, scale in zip(parts, scales_T, strict=True)]
        return {INT8: torch.cat(steps), SCALES: scales_T}

    def decode(self, encoded: Mapping[str, Tensor]) -> Tensor:
        """Steps times scales, which must be above zero."""
        scales_T = encoded[SCALES]
        if not bool((scales_T > 0).all()):
            raise UpdateRefusedError(
                RefusalReason.MALFORMED, f"{SCALES} goes down to {float(scales_T.min()):.6g}; a scale is above 0"
            )
        parts = encoded[INT8].split(self.sizes_T)  # type: ignore[no-untyped-call]
        return torch.cat([steps.float() * scale for steps, scale in zip(parts, scales_T, strict=True)])


@dataclass(frozen=True)
class TopK:
    """The k largest of P numbers by magnitude, exact; the others count as zero."""

    count: int
    """P."""
    kept: int
    """k."""

    def layout(self) -> dict[str, Tensor]:
        """k places and k numbers."""
        return {
            INDICES: torch.empty(self.kept, dtype=torch.int32, device="meta"),
            VALUES: torch.empty(self.kept, dtype=torch.float32, device="meta"),
        }

    def encode(self, change_P: Tensor) -> dict[str, Tensor]:
        """By growing place; of equal magnitudes at the edge, those of the lower places."""
        magnitudes_P = change_P.abs().nan_to_num(nan=float("inf"))
        # The k-th largest magnitude is one number, whereas torch may choose any places of those that have it.
        edge = magnitudes_P.topk(self.kept, sorted=False).values.min()
        above, at_edge = (magnitudes_P > edge).nonzero().view(-1), (magnitudes_P == edge).nonzero().view(-1)
        indices_K = torch.cat([above, at_edge[: self.kept - len(above)]]).sort().values
        return {INDICES: indices_K.to(torch.int32), VALUES: change_P[indices_K]}

    def decode(self, encoded: Mapping[str, Tensor]) -> Tensor:
        """The numbers at their places, which must grow and be among the P."""
        indices_K = encoded[INDICES].long()
        if not bool((indices_K.diff() > 0).all()) or indices_K[0] < 0 or indices_K[-1] >= self.count:
            raise UpdateRefusedError(
                RefusalReason.MALFORMED, f"{INDICES} must grow from one to the next, from 0 on and below {self.count}"
            )
        return torch.zeros(self.count).index_copy_(0, indices_K, encoded[VALUES])
