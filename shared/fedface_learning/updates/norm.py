"""The norm of an update: the L2 norm of its difference from the global model, over all parameters and buffers. P values.

Exactly in float64, which copies every value twice; or roughly as the values are stored, which is an order of magnitude
faster and errs by less than `clearly_within` allows for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import sqrt
from typing import Final

import torch
from torch import Tensor

from fedface_core.domain.errors import UpdateRefusedError
from fedface_core.domain.update import RefusalReason
from fedface_learning.updates.form import PlacedValues, UpdateForm

_ROUNDING: Final = 1e-3
_UNDERFLOW: Final = 1e-12


def update_norm(update: Mapping[str, Tensor], reference: Mapping[str, Tensor]) -> float:
    """‖update − reference‖₂ over all floating-point tensors, parameters and buffers, in float64."""
    return sqrt(sum(_squares(update[name], tensor) for name, tensor in reference.items() if tensor.is_floating_point()))


def check_norm(found: float, max_norm: float) -> None:
    """Refuse an update whose norm, ``found``, is above the plan's bound ``max_norm`` (`cohort.max_update_norm`).

    `UpdateRefusedError` says how far it is. A norm that is not finite is above every bound.
    """
    if not found <= max_norm:
        raise UpdateRefusedError(
            RefusalReason.NORM_EXCEEDED,
            f"the update is {found:.6g} from the global model (L2 over all parameters and buffers); "
            f"at most {max_norm:.6g} is allowed",
        )


def exact_norm(values: Iterable[PlacedValues], form: UpdateForm) -> float:
    """‖update − model‖₂ of the values that are averaged, in float64. Not finite if a value is not."""
    return sqrt(sum(_squares(values_P, form.of_model(span)) for span, values_P in values))


def rough_norm(values: Iterable[PlacedValues], form: UpdateForm) -> float:
    """‖update − model‖₂ of the values that are averaged, in their own type or float32. Not finite if a value is not."""
    squares = 0.0
    for span, values_P in values:
        difference_P = torch.sub(_in_float32_at_least(values_P), _in_float32_at_least(form.of_model(span)))
        squares += float(torch.linalg.vector_norm(difference_P)) ** 2
    return sqrt(squares)


def clearly_within(rough: float, max_norm: float) -> bool:
    """Whether a norm whose `rough_norm` this is can only be at most ``max_norm``. False if it is not finite.

    Torch adds up float32 squares in eight sums, at worst losing half a unit in the last place of a sum with each square:
    2⁻²⁴ of it for each of the 2¹⁴ squares of a part of float32 values, 2¹⁵ of float16 ones. So the root is less than 2⁻¹⁰
    too short. What is smaller than 2⁻⁶³ has no square in float32; 10¹² such values are less than 10⁻¹² long.
    """
    return rough < max_norm * (1 - _ROUNDING) - _UNDERFLOW


def _in_float32_at_least(values_P: Tensor) -> Tensor:
    return values_P if values_P.dtype == torch.float64 else values_P.float()


def _squares(values: Tensor, reference: Tensor) -> float:
    return float((values.double() - reference.double()).square().sum())
