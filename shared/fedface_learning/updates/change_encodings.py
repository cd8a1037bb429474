"""Three encodings of a change of P numbers in fewer bytes.

Each encoding states names, shapes and dtypes of its tensors, so that other tensors are refused before they are read. It
encodes a change into tensors and decodes them. Decoding gives equal bits on the client, which computes its residual by it,
and on the aggregator. A change that is not finite gives no finite change: the aggregator refuses such an update.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import torch
from torch import Tensor

from fedface_core.domain.errors import UpdateRefusedError
from fedface_core.domain.update import RefusalReason

# The names of the encoded tensors. No parameter has a slash in its name, so they are distinct.
FLOAT16: Final = "change/float16"
INT8: Final = "change/int8"
SCALES: Final = "change/scales"
INDICES: Final = "change/indices"
VALUES: Final = "change/values"

_LARGEST_STEP: Final = 127


class ChangeEncoding(Protocol):
    """How the changes of one network are encoded."""

    def layout(self) -> dict[str, Tensor]:
        """Names, shapes and dtypes of the encoded tensors, as tensors on the meta device, which have no values."""

    def encode(self, change_P: Tensor) -> dict[str, Tensor]:
        """The encoded tensors of a change (P,), float32."""

    def decode(self, encoded: Mapping[str, Tensor]) -> Tensor:
        """The change (P,), float32, from tensors of this layout. `UpdateRefusedError` if they encode no change."""


@dataclass(frozen=True)
class Float16:
    """Rounds each number to half precision: with a relative error of at most 2⁻¹¹, or below 2⁻¹⁴ an error of 2⁻²⁵."""

    count: int
    """P, the length of a change."""

    def layout(self) -> dict[str, Tensor]:
        """One float16 tensor (P,)."""
        return {FLOAT16: torch.empty(self.count, dtype=torch.float16, device="meta")}

    def encode(self, change_P: Tensor) -> dict[str, Tensor]:
        """The change (P,) rounded to the nearest float16, ties to even. Magnitudes of 65,520 and more become infinite."""
        return {FLOAT16: change_P.half()}

    def decode(self, encoded: Mapping[str, Tensor]) -> Tensor:
        """The encoded numbers as float32 (P,), exactly."""
        return encoded[FLOAT16].float()


@dataclass(frozen=True)
class Int8:
    """Rounds each number to the nearest multiple of its tensor's scale, so the error is at most half a scale.

    The scale is the largest magnitude in the tensor, divided by 127.
    """

    sizes_T: tuple[int, ...]
    """The number of values of each of the T tensors, in order; they add up to P."""

    def layout(self) -> dict[str, Tensor]:
        """The multiples, int8 (P,), and the scales, float32 (T,)."""
        return {
            INT8: torch.empty(sum(self.sizes_T), dtype=torch.int8, device="meta"),
            SCALES: torch.empty(len(self.sizes_T), dtype=torch.float32, device="meta"),
        }

    def encode(self, change_P: Tensor) -> dict[str, Tensor]:
        """Multiples and scales of a change (P,); ties round to even.

        A tensor that has not changed gets zeros, and the smallest normal float32 number as its scale.
        """
        parts = change_P.split(self.sizes_T)  # type: ignore[no-untyped-call]
        largest_T = torch.stack([part.abs().max() for part in parts])
        scales_T = (largest_T / _LARGEST_STEP).clamp_min(torch.finfo(torch.float32).tiny)
        steps = [(part / scale).round().to(torch.int8) for part, scale in zip(parts, scales_T, strict=True)]
        return {INT8: torch.cat(steps), SCALES: scales_T}

    def decode(self, encoded: Mapping[str, Tensor]) -> Tensor:
        """Multiples times scales (P,), float32. `UpdateRefusedError` if a scale is not above zero."""
        scales_T = encoded[SCALES]
        if not bool((scales_T > 0).all()):
            raise UpdateRefusedError(
                RefusalReason.MALFORMED, f"{SCALES} goes down to {float(scales_T.min()):.6g}; a scale is above 0"
            )
        parts = encoded[INT8].split(self.sizes_T)  # type: ignore[no-untyped-call]
        return torch.cat([steps.float() * scale for steps, scale in zip(parts, scales_T, strict=True)])


@dataclass(frozen=True)
class TopK:
    """Keeps the k numbers of largest magnitude exactly; all other numbers become zero."""

    count: int
    """P, the length of a change."""
    kept: int
    """k, the number of values that are kept."""

    def layout(self) -> dict[str, Tensor]:
        """The indices, int32 (k,), and the values, float32 (k,)."""
        return {
            INDICES: torch.empty(self.kept, dtype=torch.int32, device="meta"),
            VALUES: torch.empty(self.kept, dtype=torch.float32, device="meta"),
        }

    def encode(self, change_P: Tensor) -> dict[str, Tensor]:
        """Indices and values of a change (P,), by increasing index. Of equal magnitudes, the lower indices are kept."""
        magnitudes_P = change_P.abs().nan_to_num(nan=float("inf"))
        # The k-th largest magnitude is unique, but torch may choose any of the indices that have it.
        smallest = magnitudes_P.topk(self.kept, sorted=False).values.min()
        above = (magnitudes_P > smallest).nonzero().view(-1)
        equal = (magnitudes_P == smallest).nonzero().view(-1)
        indices_K = torch.cat([above, equal[: self.kept - len(above)]]).sort().values
        return {INDICES: indices_K.to(torch.int32), VALUES: change_P[indices_K]}

    def decode(self, encoded: Mapping[str, Tensor]) -> Tensor:
        """The values at their indices, zero elsewhere (P,), float32.

        `UpdateRefusedError` if the indices do not increase strictly within 0 … P − 1.
        """
        indices_K = encoded[INDICES].long()
        if not bool((indices_K.diff() > 0).all()) or indices_K[0] < 0 or indices_K[-1] >= self.count:
            raise UpdateRefusedError(
                RefusalReason.MALFORMED, f"{INDICES} must grow from one to the next, from 0 on and below {self.count}"
            )
        return torch.zeros(self.count).index_copy_(0, indices_K, encoded[VALUES])
