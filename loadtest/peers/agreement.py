"""Equal work must give equal models: systems whose models differ are not compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from torch import Tensor

from fedface_core.domain.errors import FedFaceError

TOLERANCE: Final = 1e-4
"""A sum in another order differs by 1e-6 and less, a forgotten momentum, step or client by more than 1e-3."""


class ModelsDisagreeError(FedFaceError):
    """Two systems did not do the same work."""

    title = "Disagreement"


def largest_difference(model: Mapping[str, Tensor], reference: Mapping[str, Tensor]) -> float:
    """The largest difference between two numbers at the same place; infinite where the tensors are not the same ones.

    Integers (BatchNorm counts its batches) are left out: they take no part in any result.
    """
    if {name: tensor.shape for name, tensor in model.items()} != {name: tensor.shape for name, tensor in reference.items()}:
        return float("inf")
    return max(
        float((tensor.double() - reference[name].double()).abs().max())
        for name, tensor in model.items()
        if tensor.is_floating_point()
    )


def check_agreement(model: Mapping[str, Tensor], reference: Mapping[str, Tensor], name: str, reference_name: str) -> float:
    """The largest difference of two systems' models after the first round. `ModelsDisagreeError` above `TOLERANCE`."""
    difference = largest_difference(model, reference)
    if not difference <= TOLERANCE:  # so that NaN does not pass
        raise ModelsDisagreeError(
            f"after the first round the model of {name} differs from that of {reference_name} by {difference:.2g}, "
            f"more than {TOLERANCE:g}: they did not do the same work, so their times are not comparable"
        )
    return difference
