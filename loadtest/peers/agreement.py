"""Systems that did equal work have equal models; those whose models differ are not compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from torch import Tensor

from fedface_core.domain.errors import FedFaceError

TOLERANCE: Final = 1e-4
"""Summing in another order changes a model by 1e-6 or less; a forgotten momentum, step or client by more than 1e-3."""


class ModelsDisagreeError(FedFaceError):
    """Two systems did not do the same work."""

    title = "Disagreement"


def largest_difference(model: Mapping[str, Tensor], reference: Mapping[str, Tensor]) -> float:
    """The largest difference between two models' values; infinite if their tensors have different names or shapes.

    Integer tensors (BatchNorm's count of batches) are left out: they change no result.
    """
    if {name: tensor.shape for name, tensor in model.items()} != {name: tensor.shape for name, tensor in reference.items()}:
        return float("inf")
    return max(
        float((tensor.double() - reference[name].double()).abs().max())
        for name, tensor in model.items()
        if tensor.is_floating_point()
    )


def check_agreement(model: Mapping[str, Tensor], reference: Mapping[str, Tensor], name: str, reference_name: str) -> float:
    """The largest difference of two systems' models after the first round. `ModelsDisagreeError` if above `TOLERANCE`."""
    difference = largest_difference(model, reference)
    if not difference <= TOLERANCE:  # so that NaN does not pass
        raise ModelsDisagreeError(
            f"after the first round the model of {name} differs from that of {reference_name} by {difference:.2g}, "
            f"more than {TOLERANCE:g}: they did not do the same work, so their times are not comparable"
        )
    return difference
