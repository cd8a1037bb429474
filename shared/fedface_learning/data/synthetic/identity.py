"""Who somebody is: the parameters that all images of an identity share.

Lengths are in face units: the head is about 2 high, (0, 0) lies between the eyes and the tip of the nose, x grows to the
right and y downwards.
"""

from __future__ import annotations

from dataclasses import dataclass

from fedface_learning.data.synthetic.draws import (
    Colour,
    around,
    between,
    draw_fields,
    generator_for,
    mix,
    scaled,
    screen,
    sometimes,
)

_SPOTS = 26  # the most freckles and moles a face has


@dataclass(frozen=True)
class Person:
    """One synthetic identity."""

    head_width: float = between(0.63, 0.79)
    head_height: float = between(0.92, 1.08)
    jaw_square: float = between(0.05, 0.75)
    chin_length: float = between(0.86, 1.06)
    chin_bump: float = between(0.00, 0.045)
    cheekbone: float = between(0.00, 0.05)
    cheek_blush: float = sometimes(0.6, 0.05, 0.5)
    skin_tone: float = between(0.0, 1.0)
    skin_red: float = between(0.0, 1.0)
    hair_tone: float = between(0.0, 1.0)
    hair_red: float = sometimes(0.5, 0.1, 1.0)
    hair_grey: float = sometimes(0.25, 0.2, 0.95)
    hairline: float = between(-0.72, -0.44)
    hairline_peak: float = sometimes(0.4, 0.03, 0.16)
    hairline_recession: float = sometimes(0.4, 0.05, 0.30)
    parting: float = between(-0.30, 0.30)
    hair_top: float = between(0.02, 0.26)
    hair_side: float = between(0.01, 0.17)
    hair_length: float = sometimes(0.45, 0.25, 1.35)
    hair_curl: float = between(0.0, 1.0)
    bald: float = sometimes(0.08, 1.0, 1.0)
    brow_height: float = between(-0.36, -0.26)
    brow_thickness: float = between(0.022, 0.062)
    brow_length: float = between(0.17, 0.25)
    brow_angle: float = between(-0.28, 0.22)
    brow_arch: float = between(0.0, 0.07)
    brow_density: float = between(0.45, 1.0)
    eye_spacing: float = between(0.255, 0.355)
    eye_height: float = between(-0.15, -0.07)
    eye_width: float = between(0.115, 0.165)
    eye_open: float = between(0.046, 0.088)
    eye_tilt: float = between(-0.22, 0.22)
    eye_depth: float = between(0.0, 1.0)
    eyelid: float = between(0.0, 1.0)
    iris_hue: float = between(0.0, 1.0)
    iris_tone: float = between(0.0, 1.0)
    iris_size: float = between(0.050, 0.066)
    nose_length: float = between(0.24, 0.40)
    nose_width: float = between(0.095, 0.185)
    nose_bridge: float = between(0.035, 0.085)
    nose_tip: float = between(0.055, 0.095)
    nostrils: float = between(0.2, 1.0)
    mouth_height: float = around(0.215, 0.045)
    mouth_width: float = between(0.185, 0.300)
    lip_upper: float = between(0.018, 0.056)
    lip_lower: float = between(0.028, 0.072)
    lip_bow: float = between(0.0, 1.0)
    lip_colour: float = between(0.0, 1.0)
    lip_corners: float = between(-0.03, 0.03)
    ear_size: float = between(0.13, 0.22)
    ear_out: float = between(-0.02, 0.08)
    beard: float = sometimes(0.4, 0.15, 0.95)
    moustache: float = sometimes(0.4, 0.2, 0.95)
    beard_height: float = between(0.25, 0.62)
    age: float = between(0.0, 1.0)
    freckles: float = sometimes(0.25, 0.3, 1.0)
    moles: float = sometimes(0.5, 1.0, 3.99)
    spots: tuple[tuple[float, float, float], ...] = ()
    """Where freckles and moles may lie: (across −1…1, down 0…1, size 0…1); moles first."""

    @property
    def mouth(self) -> float:
        """The height of the line between the lips."""
        return self.eye_height + self.nose_length + self.mouth_height

    @property
    def skin(self) -> Colour:
        """Of the skin, from the palest to the darkest."""
        tones = (screen(244, 214, 196), screen(226, 180, 150), screen(182, 126, 92), screen(112, 72, 52), screen(74, 48, 38))
        place = self.skin_tone * (len(tones) - 1)
        step = min(int(place), len(tones) - 2)
        red, green, blue = mix(tones[step], tones[step + 1], place - step)
        return (
            red * (0.95 + 0.12 * self.skin_red),
            green * (1.04 - 0.10 * self.skin_red),
            blue * (1.05 - 0.12 * self.skin_red),
        )

    @property
    def hair(self) -> Colour:
        """Of the hair: dark where the skin is dark; fair, red or grey otherwise."""
        tone = self.hair_tone * (1.0 - 0.9 * min(1.0, max(0.0, 2.2 * self.skin_tone - 0.5)))
        natural = mix(screen(26, 20, 18), screen(98, 66, 42), min(1.0, 2 * tone))
        natural = mix(natural, screen(214, 176, 116), max(0.0, 2 * tone - 1))
        natural = mix(natural, screen(164, 78, 36), self.hair_red * min(1.0, 2 * tone) * 0.8)
        return mix(natural, screen(196, 194, 192), self.hair_grey)

    @property
    def brows(self) -> Colour:
        """Of the brows: the hair's, a little darker."""
        return scaled(self.hair, 0.55)

    @property
    def iris(self) -> Colour:
        """Of the iris: brown, or blue to green where the skin is fair."""
        light = mix(screen(96, 142, 190), screen(106, 132, 78), self.iris_hue)
        brown = mix(screen(112, 70, 36), screen(44, 26, 18), self.iris_tone)
        return mix(light, brown, 1.0 if self.skin_tone > 0.5 or self.iris_tone > 0.55 else 0.1)

    @property
    def lips(self) -> Colour:
        """Of the lips: the skin's, redder; some wear lipstick."""
        natural = mix(scaled(self.skin, 0.72), screen(176, 84, 84), 0.45)
        return mix(natural, screen(156, 34, 52), max(0.0, 1.6 * self.lip_colour - 0.8))


def draw_person(seed: int, index: int) -> Person:
    """The ``index``-th person of this seed, whichever others are drawn."""
    generator = generator_for(seed, index)
    values = {name: value.item() for name, value in draw_fields(Person, [generator]).items()}
    if values["hair_length"] > 0.0:  # Long hair and a beard on one head are rare.
        values |= {"beard": 0.0, "moustache": 0.0, "bald": 0.0}
    elif values["beard"] > 0.5:
        values["moustache"] = values["beard"]
    places = generator.random((_SPOTS, 3)).tolist()
    return Person(**values, spots=tuple((2.0 * across - 1.0, down, size) for across, down, size in places))
