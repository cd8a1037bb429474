"""Random parameters: their ranges and shares, and draws that follow from a key alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from fedface_learning.data.synthetic.draws import (
    draw_fields,
    generator_for,
    mix,
    peaked,
    scaled,
    screen,
    uniform,
    uniform_or_zero,
)


@dataclass(frozen=True)
class Parameters:
    flat: float = uniform(2.0, 4.0)
    near: float = peaked(1.0, 0.5)
    rare: float = uniform_or_zero(0.25, 3.0, 5.0)
    fixed: float = 7.0


@pytest.fixture(scope="module")
def values() -> dict[str, np.ndarray]:
    return draw_fields(Parameters, [generator_for(seed) for seed in range(2000)])


def test_only_declared_fields_are_drawn(values: dict[str, np.ndarray]) -> None:
    assert {name: value.shape for name, value in values.items()} == {"flat": (2000,), "near": (2000,), "rare": (2000,)}


def test_uniform_values_fill_their_range_evenly(values: dict[str, np.ndarray]) -> None:
    assert (values["flat"].min() >= 2.0, values["flat"].max() <= 4.0) == (True, True)
    np.testing.assert_allclose(np.quantile(values["flat"], [0.1, 0.5, 0.9]), [2.2, 3.0, 3.8], atol=0.08)


def test_peaked_values_are_dense_in_the_middle(values: dict[str, np.ndarray]) -> None:
    distance = np.abs(values["near"] - 1.0)
    assert distance.max() <= 0.5
    assert np.median(distance) == pytest.approx(0.125, abs=0.02)  # A uniform value would have 0.25.
    assert values["near"].mean() == pytest.approx(1.0, abs=0.02)


def test_a_share_of_the_values_is_not_zero(values: dict[str, np.ndarray]) -> None:
    positive = values["rare"][values["rare"] > 0]
    assert len(positive) / 2000 == pytest.approx(0.25, abs=0.03)
    assert (positive.min() >= 3.0, positive.max() <= 5.0) == (True, True)
    assert positive.mean() == pytest.approx(4.0, abs=0.1)


def test_a_value_follows_from_its_generators_key_alone(values: dict[str, np.ndarray]) -> None:
    (alone,) = draw_fields(Parameters, [generator_for(1234)])["flat"]
    assert alone == values["flat"][1234]
    assert generator_for(1, 2).random() != generator_for(2, 1).random()


def test_colours_are_mixed_and_scaled_in_linear_light() -> None:
    black = screen(0, 0, 0)
    white = screen(255, 255, 255)
    assert (black, white) == ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    assert mix(black, white, 0.25) == (0.25, 0.25, 0.25)
    assert mix(black, white, 0.0) == black
    assert scaled((0.2, 0.4, 0.6), 0.5) == (0.1, 0.2, 0.3)
