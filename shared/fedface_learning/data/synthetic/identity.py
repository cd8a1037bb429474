"""A synthetic person: the parameters that all images of an identity share.

Lengths are in face units: the head is about 2 high. The point (0, 0) lies between the eyes and the tip of the nose; u grows
to the right and v downwards. A height is a v.
"""

from __future__ import annotations

from dataclasses import dataclass

from fedface_learning.data.synthetic.draws import (
    Colour,
    draw_fields,
    generator_for,
    mix,
    peaked,
    scaled,
    screen,
    uniform,
    uniform_or_zero,
)

_SPOTS = 26  # A face has at most so many freckles and moles.


@dataclass(frozen=True)
class Person:
    """The parameters of one synthetic person."""

    head_width: float = uniform(0.63, 0.79)
    head_height: float = uniform(0.92, 1.08)
    jaw_square: float = uniform(0.05, 0.75)
    chin_length: float = uniform(0.86, 1.06)
    chin_bump: float = uniform(0.00, 0.045)
    cheekbone: float = uniform(0.00, 0.05)
    cheek_blush: float = uniform_or_zero(0.6, 0.05, 0.5)
    skin_tone: float = uniform(0.0, 1.0)
    skin_red: float = uniform(0.0, 1.0)
    hair_tone: float = uniform(0.0, 1.0)
    hair_red: float = uniform_or_zero(0.5, 0.1, 1.0)
    hair_grey: float = uniform_or_zero(0.25, 0.2, 0.95)
    hairline: float = uniform(-0.72, -0.44)
    hairline_peak: float = uniform_or_zero(0.4, 0.03, 0.16)
    hairline_recession: float = uniform_or_zero(0.4, 0.05, 0.30)
    parting: float = uniform(-0.30, 0.30)
    hair_top: float = uniform(0.02, 0.26)
    hair_side: float = uniform(0.01, 0.17)
    hair_length: float = uniform_or_zero(0.45, 0.25, 1.35)
    hair_curl: float = uniform(0.0, 1.0)
    bald: float = uniform_or_zero(0.08, 1.0, 1.0)
    brow_height: float = uniform(-0.36, -0.26)
    brow_thickness: float = uniform(0.022, 0.062)
    brow_length: float = uniform(0.17, 0.25)
    brow_angle: float = uniform(-0.28, 0.22)
    brow_arch: float = uniform(0.0, 0.07)
    brow_density: float = uniform(0.45, 1.0)
    eye_spacing: float = uniform(0.255, 0.355)
    eye_height: float = uniform(-0.15, -0.07)
    eye_width: float = uniform(0.115, 0.165)
    eye_open: float = uniform(0.046, 0.088)
    eye_tilt: float = uniform(-0.22, 0.22)
    eye_depth: float = uniform(0.0, 1.0)
    eyelid: float = uniform(0.0, 1.0)
    iris_hue: float = uniform(0.0, 1.0)
    iris_tone: float = uniform(0.0, 1.0)
    iris_size: float = uniform(0.050, 0.066)
    nose_length: float = uniform(0.24, 0.40)
    nose_width: float = uniform(0.095, 0.185)
    nose_bridge: float = uniform(0.035, 0.085)
    nose_tip: float = uniform(0.055, 0.095)
    nostrils: float = uniform(0.2, 1.0)
    mouth_height: float = peaked(0.215, 0.045)
    mouth_width: float = uniform(0.185, 0.300)
    lip_upper: float = uniform(0.018, 0.056)
    lip_lower: float = uniform(0.028, 0.072)
    lip_bow: float = uniform(0.0, 1.0)
    lip_colour: float = uniform(0.0, 1.0)
    lip_corners: float = uniform(-0.03, 0.03)
    ear_size: float = uniform(0.13, 0.22)
    ear_out: float = uniform(-0.02, 0.08)
    beard: float = uniform_or_zero(0.4, 0.15, 0.95)
    moustache: float = uniform_or_zero(0.4, 0.2, 0.95)
    beard_height: float = uniform(0.25, 0.62)
    age: float = uniform(0.0, 1.0)
    freckles: float = uniform_or_zero(0.25, 0.3, 1.0)
    moles: float = uniform_or_zero(0.5, 1.0, 3.99)
    spots: tuple[tuple[float, float, float], ...] = ()
    """The places of freckles and moles: across (−1 to 1), down (0 to 1) and size (0 to 1). The first ones are moles."""

    @property
    def mouth(self) -> float:
        """The height (v) of the line between the lips."""
        return self.eye_height + self.nose_length + self.mouth_height

    @property
    def skin(self) -> Colour:
        """The colour of the skin, between the palest and the darkest of five tones."""
        tones = (screen(244, 214, 196), screen(226, 180, 150), screen(182, 126, 92), screen(112, 72, 52), screen(74, 48, 38))
        position = self.skin_tone * (len(tones) - 1)
        index = min(int(position), len(tones) - 2)
        red, green, blue = mix(tones[index], tones[index + 1], position - index)
        return (
            red * (0.95 + 0.12 * self.skin_red),
            green * (1.04 - 0.10 * self.skin_red),
            blue * (1.05 - 0.12 * self.skin_red),
        )

    @property
    def hair(self) -> Colour:
        """The colour of the hair: dark if the skin is dark, else also fair or red; grey with any skin."""
        tone = self.hair_tone * (1.0 - 0.9 * min(1.0, max(0.0, 2.2 * self.skin_tone - 0.5)))
        natural = mix(screen(26, 20, 18), screen(98, 66, 42), min(1.0, 2 * tone))
        natural = mix(natural, screen(214, 176, 116), max(0.0, 2 * tone - 1))
        natural = mix(natural, screen(164, 78, 36), self.hair_red * min(1.0, 2 * tone) * 0.8)
        return mix(natural, screen(196, 194, 192), self.hair_grey)

    @property
    def brows(self) -> Colour:
        """The colour of the brows: darker than the hair."""
        return scaled(self.hair, 0.55)

    @property
    def iris(self) -> Colour:
        """The colour of the iris: brown, or blue to green if the skin is fair."""
        light = mix(screen(96, 142, 190), screen(106, 132, 78), self.iris_hue)
        brown = mix(screen(112, 70, 36), screen(44, 26, 18), self.iris_tone)
        return mix(light, brown, 1.0 if self.skin_tone > 0.5 or self.iris_tone > 0.55 else 0.1)

    @property
    def lips(self) -> Colour:
        """The colour of the lips: redder than the skin, or lipstick."""
        natural = mix(scaled(self.skin, 0.72), screen(176, 84, 84), 0.45)
        return mix(natural, screen(156, 34, 52), max(0.0, 1.6 * self.lip_colour - 0.8))


def draw_person(seed: int, index: int) -> Person:
    """Draw person ``index`` of this seed; the person does not depend on other draws."""
    generator = generator_for(seed, index)
    values = {name: value.item() for name, value in draw_fields(Person, [generator]).items()}
    if values["hair_length"] > 0.0:  # Nobody has long hair and a beard: that is rare.
        values |= {"beard": 0.0, "moustache": 0.0, "bald": 0.0}
    elif values["beard"] > 0.5:
        values["moustache"] = values["beard"]
    places = generator.random((_SPOTS, 3)).tolist()
    return Person(**values, spots=tuple((2.0 * across - 1.0, down, size) for across, down, size in places))
