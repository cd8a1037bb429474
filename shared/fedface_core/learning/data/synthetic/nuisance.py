"""What differs between two images of one person: pose, expression, light, background, what is in the way, and the camera."""

from __future__ import annotations

from dataclasses import dataclass

from fedface_core.learning.data.synthetic.draws import Colour, around, between, draw_fields, generator_for, sometimes

_RANDOM_COLOURS = 7


@dataclass(frozen=True)
class Nuisance:
    """One occasion. Lengths are in face units, as in `Person`."""

    turn: float = around(0.0, 0.42)
    """Out of the plane, sideways: how far the middle of the face moves, in head widths."""
    nod: float = around(0.0, 0.20)
    roll: float = around(0.0, 0.12)
    """In the plane: the tangent of half the angle."""
    scale: float = between(0.90, 1.12)
    shift_x: float = between(-0.10, 0.10)
    shift_y: float = between(-0.09, 0.09)

    smile: float = around(0.25, 0.75)
    mouth_open: float = sometimes(0.35, 0.1, 1.0)
    brow_raise: float = around(0.0, 0.05)
    frown: float = sometimes(0.3, 0.0, 0.12)
    eyes_open: float = between(0.55, 1.15)
    gaze_x: float = around(0.0, 0.05)
    gaze_y: float = around(0.0, 0.02)

    light_x: float = around(0.0, 1.3)
    light_y: float = between(-1.0, 0.5)
    ambient: float = between(0.22, 0.55)
    diffuse: float = between(0.40, 0.85)
    warmth: float = between(-0.18, 0.18)
    exposure: float = between(0.65, 1.35)
    contrast: float = between(0.75, 1.1)

    hair_dishevelled: float = between(-0.04, 0.04)
    backdrop: float = between(0.0, 1.0)
    """Below a third a gradient, then stripes, then blobs."""
    backdrop_angle: float = between(-1.0, 1.0)
    backdrop_pitch: float = between(1.0, 5.0)

    patch: float = sometimes(0.30, 0.12, 0.34)
    """Half the size of what hides a part of the face; 0 where nothing does."""
    patch_x: float = between(-0.7, 0.7)
    patch_y: float = between(-0.7, 0.8)
    patch_shape: float = between(0.5, 2.0)
    patch_angle: float = between(-0.6, 0.6)

    blur: float = sometimes(0.6, 0.0, 0.013)
    """The blur's standard deviation, as a share of the image's height."""
    noise: float = between(0.004, 0.045)

    colours: tuple[Colour, ...] = ()
    """Of the background (three), the clothes (two) and the patch (two)."""


def draw_nuisance(seed: int, identity: int, image: int) -> Nuisance:
    """The occasion of the ``image``-th image of a person, whichever others are drawn."""
    generator = generator_for(seed, identity, image, 1)
    values = draw_fields(Nuisance, generator)
    shades = generator.random((_RANDOM_COLOURS, 3)).tolist()
    # Rooms and clothes are rarely of pure colours: pull each towards its own grey.
    greys = [sum(shade) / 3 for shade in shades]
    colours = tuple(
        ((0.4 * red + 0.6 * grey) ** 2, (0.4 * green + 0.6 * grey) ** 2, (0.4 * blue + 0.6 * grey) ** 2)
        for (red, green, blue), grey in zip(shades, greys, strict=True)
    )
    return Nuisance(**values, colours=colours)
