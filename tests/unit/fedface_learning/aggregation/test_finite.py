"""What is not finite is named, with the step that made it and what helps."""

from __future__ import annotations

import math

import pytest
import torch

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.aggregation.finite import require_finite


def test_finite_numbers_pass() -> None:
    numbers: dict[str, torch.Tensor | float | None] = {
        "weights": torch.tensor([1e38, -1e38]),
        "count": torch.tensor(2**62),
        "loss": 1.7e308,
        "none": None,
        "no rows": torch.empty(0, 4),
    }
    require_finite(numbers, "averaging", "lower the rate")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, torch.tensor([0.0, math.nan]), torch.tensor([math.inf])])
def test_the_broken_one_is_named(value: torch.Tensor | float) -> None:
    with pytest.raises(InvalidInputError, match=r"^after averaging, loss would not be finite; lower the rate$"):
        require_finite({"weights": torch.zeros(2), "loss": value}, "averaging", "lower the rate")


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 4999, 9999])
def test_one_number_among_many_is_found(broken: float, place: int) -> None:
    values = torch.randn(100, 100, generator=torch.Generator().manual_seed(0))
    values.view(-1)[place] = broken
    with pytest.raises(InvalidInputError, match="weights would not be finite"):
        require_finite({"weights": values}, "averaging", "lower the rate")


def test_of_many_a_few_are_named() -> None:
    broken = {f"tensor {index}": torch.tensor(math.nan) for index in range(5)}
    with pytest.raises(InvalidInputError, match="tensor 0, tensor 1, tensor 2 and 2 more would not be finite"):
        require_finite(broken, "averaging", "lower the rate")
