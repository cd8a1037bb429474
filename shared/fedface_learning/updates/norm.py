"""The norm of an update: the L2 norm of its difference from the global model, over all parameters and buffers. P values.

The exact norm is computed in float64, which copies every value twice. The rough norm is computed in the values' own type or
float32. It is ten times as fast, and its error is less than the margin of `clearly_within`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Final

import torch
from torch import Tensor

from fedface_core.domain.errors import UpdateRefusedError
from fedface_core.domain.update import RefusalReason
from fedface_learning.updates.form import PlacedValues, UpdateForm

_ROUNDING: Final = 1e-3  # relative margin of `clearly_within`
_UNDERFLOW: Final = 1e-12  # absolute margin of `clearly_within`


@dataclass(frozen=True)
class NormBounds:
    """What a round does with the norms of its updates."""

    largest: float
    """An update with a larger norm is refused."""
    clip_at: float | None = None
    """An update with a larger norm is clipped to this one; None if updates are not clipped."""
    norms_are_needed: bool = False
    """Whether the norm of every update must be known, because the round's bound follows from them."""

    @property
    def lowest(self) -> float:
        """The norm up to which an update is used as it is."""
        return self.largest if self.clip_at is None else min(self.largest, self.clip_at)

    def share_kept(self, norm: float | None) -> float:
        """The share of an update's change that is used: 1, or less if its ``norm`` is above where updates are clipped."""
        if norm is None or self.clip_at is None or norm <= self.clip_at:
            return 1.0
        return self.clip_at / norm


def update_norm(update: Mapping[str, Tensor], reference: Mapping[str, Tensor]) -> float:
    """‖update − reference‖₂ over all floating-point tensors by name, parameters and buffers, in float64."""
    return sqrt(sum(_squares(update[name], tensor) for name, tensor in reference.items() if tensor.is_floating_point()))


def check_norm(found: float, max_norm: float) -> None:
    """`UpdateRefusedError` if the norm ``found`` is above the plan's bound ``max_norm`` (`cohort.max_update_norm`).

    A norm that is not finite is above every bound.
    """
    if not found <= max_norm:
        raise UpdateRefusedError(
            RefusalReason.NORM_EXCEEDED,
            f"the update is {found:.6g} from the global model (L2 over all parameters and buffers); "
            f"at most {max_norm:.6g} is allowed",
        )


def check_mean_norm(found: float, max_norm: float) -> None:
    """`UpdateRefusedError` if the norm ``found`` of a client's mean embedding is above ``max_norm``, or not finite."""
    if not found <= max_norm:
        raise UpdateRefusedError(
            RefusalReason.NORM_EXCEEDED, f"the mean embedding has the length {found:.6g}; at most {max_norm:.6g} is allowed"
        )


def exact_norm(values: Iterable[PlacedValues], form: UpdateForm) -> float:
    """‖update − model‖₂ of the values that are averaged, in float64. It is not finite if a value is not finite."""
    return sqrt(sum(_squares(values_P, form.of_model(span)) for span, values_P in values))


def rough_norm(values: Iterable[PlacedValues], form: UpdateForm) -> float:
    """‖update − model‖₂ of the values that are averaged, in their own type or float32. Not finite if a value is not."""
    squares = 0.0
    for span, values_P in values:
        difference_P = torch.sub(_in_float32_at_least(values_P), _in_float32_at_least(form.of_model(span)))
        norm = float(torch.linalg.vector_norm(difference_P))
        squares += norm * norm  # infinity if it is too large, where ** raises an error
    return sqrt(squares)


def clearly_within(rough: float, max_norm: float) -> bool:
    """Whether the exact norm is certainly at most ``max_norm``, given the `rough_norm`. False if ``rough`` is not finite.

    Two errors can make the rough norm too small. Rounding: torch adds float32 squares in eight sums, and each addition loses
    at most half a unit in the last place, 2⁻²⁴ of the sum. A part has 2¹² float32 values per sum, or 2¹³ float16 values, so
    the root is too small by less than 2⁻¹². Underflow: values smaller than 2⁻⁶³ have no square in float32; the norm of 10¹²
    such values is less than 10⁻¹².
    """
    return rough < max_norm * (1 - _ROUNDING) - _UNDERFLOW


def _in_float32_at_least(values_P: Tensor) -> Tensor:
    return values_P if values_P.dtype == torch.float64 else values_P.float()


def _squares(values: Tensor, reference: Tensor) -> float:
    return float((values.double() - reference.double()).square().sum())
