"""Random parameters: the fields of a dataclass declare how they are drawn, each from one uniform number. Also colours.

Suffix of array names: N values of a field.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Red, green and blue from 0 to 1 in linear light, which can be added. The camera takes the square root.
Colour = tuple[float, float, float]
Values = NDArray[np.float64]


def uniform(low: float, high: float) -> Any:
    """A dataclass field that is uniform between ``low`` and ``high``."""
    return field(metadata={"draw": lambda unit_N: low + (high - low) * unit_N})


def peaked(middle: float, spread: float) -> Any:
    """A dataclass field within ``middle ± spread``, which is denser near the middle."""

    def draw(unit_N: Values) -> Values:
        side_N = 2.0 * unit_N - 1.0
        return middle + spread * side_N * abs(side_N)

    return field(metadata={"draw": draw})


def uniform_or_zero(share: float, low: float, high: float) -> Any:
    """A dataclass field that is uniform between ``low`` and ``high`` with probability ``share``, and else 0."""
    return field(metadata={"draw": lambda unit_N: (low + (high - low) * unit_N / share) * (unit_N < share)})


def draw_fields(kind: type, generators: Sequence[np.random.Generator]) -> dict[str, Values]:
    """The values (N,) of every field of the dataclass ``kind`` that declares how it is drawn, by name.

    Value n comes from generator n, which gives one uniform number for each field.
    """
    drawn = [entry for entry in fields(kind) if "draw" in entry.metadata]
    units = np.stack([generator.random(len(drawn)) for generator in generators], axis=1)
    draws: list[Callable[[Values], Values]] = [entry.metadata["draw"] for entry in drawn]
    return {entry.name: draw(unit_N) for entry, draw, unit_N in zip(drawn, draws, units, strict=True)}


def generator_for(*key: int) -> np.random.Generator:
    """A new generator, whose draws follow from ``key`` alone."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """The mixture of two colours that has this share (0 to 1) of ``second``."""
    red, green, blue = (one + share * (other - one) for one, other in zip(first, second, strict=True))
    return red, green, blue


def scaled(colour: Colour, factor: float) -> Colour:
    """The colour in ``factor`` times the light."""
    red, green, blue = colour
    return red * factor, green * factor, blue * factor


def screen(red: int, green: int, blue: int) -> Colour:
    """The colour that a screen shows for red, green and blue from 0 to 255."""
    return (red / 255) ** 2, (green / 255) ** 2, (blue / 255) ** 2
