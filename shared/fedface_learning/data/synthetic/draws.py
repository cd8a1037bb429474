"""Parameters that declare how they are drawn: a dataclass of them is filled from one uniform number per field."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

# A colour is linear light (what is added up when lit), red, green and blue in 0…1; the camera takes the square root.
Colour = tuple[float, float, float]
Uniform = NDArray[np.float64]


def between(low: float, high: float) -> Any:
    """Uniform from ``low`` to ``high``."""
    return field(metadata={"draw": lambda uniform: low + (high - low) * uniform})


def around(middle: float, spread: float) -> Any:
    """Denser at the middle, within ``middle ± spread``."""

    def draw(uniform: Uniform) -> Uniform:
        side = 2.0 * uniform - 1.0
        return middle + spread * side * abs(side)

    return field(metadata={"draw": draw})


def sometimes(share: float, low: float, high: float) -> Any:
    """Uniform from ``low`` to ``high`` in this share of the draws, else 0."""
    return field(metadata={"draw": lambda uniform: (low + (high - low) * uniform / share) * (uniform < share)})


def draw_fields(kind: type, generators: Sequence[np.random.Generator]) -> dict[str, Uniform]:
    """A value (n,) for every field of ``kind`` that says how it is drawn, from one uniform number of each generator."""
    drawn = [entry for entry in fields(kind) if "draw" in entry.metadata]
    uniforms = np.stack([generator.random(len(drawn)) for generator in generators], axis=1)
    draws: list[Callable[[Uniform], Uniform]] = [entry.metadata["draw"] for entry in drawn]
    return {entry.name: draw(uniform) for entry, draw, uniform in zip(drawn, draws, uniforms, strict=True)}


def generator_for(*key: int) -> np.random.Generator:
    """The generator of this key alone; whatever else was drawn before does not matter."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """From ``first`` (0) to ``second`` (1)."""
    red, green, blue = (one + share * (other - one) for one, other in zip(first, second, strict=True))
    return red, green, blue


def scaled(colour: Colour, factor: float) -> Colour:
    """Brighter or darker."""
    red, green, blue = colour
    return red * factor, green * factor, blue * factor


def screen(red: int, green: int, blue: int) -> Colour:
    """A colour given as it looks on a screen, 0…255."""
    return (red / 255) ** 2, (green / 255) ** 2, (blue / 255) ** 2
