"""The head: its outline, its relief under the light, the skin, the ears and the neck."""

from __future__ import annotations

import numpy as np

from fedface_core.learning.data.synthetic.canvas import Canvas, Plane, bowl, bump, line, ramp
from fedface_core.learning.data.synthetic.draws import mix, screen
from fedface_core.learning.data.synthetic.identity import Person
from fedface_core.learning.data.synthetic.nuisance import Nuisance

_CHEEK = 0.04  # the height at which the face is widest
NOSE_STANDS_OUT = 0.16  # how much further than the face below it the nose's tip moves as the head turns


def outline_depth(person: Person, u_hw: Plane, v_hw: Plane, wider: float = 0.0, higher: float = 0.0) -> Plane:
    """How far a point lies inside the head's outline, in face units; negative outside.

    The half-width at a height blends a parabola (a pointed chin) and a square curve (a strong jaw).
    """
    below_hw = v_hw - _CHEEK
    down, up = 1.0 / (person.chin_length - _CHEEK), -1.0 / (person.head_height + higher + _CHEEK)
    squared_hw = np.maximum(below_hw * down, below_hw * up) ** 2
    square_hw = (below_hw < 0.0) * (0.92 - person.jaw_square) + person.jaw_square
    parabola_hw = 1.0 - squared_hw
    root_hw = np.sqrt(np.maximum(1.0 - squared_hw * squared_hw, 0.0))
    width_hw = parabola_hw + (root_hw - parabola_hw) * square_hw
    depth_hw: Plane = (width_hw * (person.head_width + wider) - np.abs(u_hw)) * 0.85
    return depth_hw


def paint_ears_and_neck(canvas: Canvas, person: Person, scene: Nuisance) -> None:
    """Behind the face: the neck, and the ears, which come out on the side that turns to the camera."""
    neck_hw = canvas.edge(0.66 * person.head_width - np.abs(canvas.x_hw)) * ramp(canvas.y_hw, 0.4, 0.5)
    under_hw = 1.0 - 0.55 * ramp(-canvas.y_hw, -person.chin_length - 0.25, -person.chin_length + 0.1)
    canvas.paint(neck_hw, person.skin)
    canvas.light(neck_hw, under_hw * (scene.ambient + 0.6 * scene.diffuse))
    if person.hair_length > 0.0:  # hidden under the hair
        return
    ear = mix(person.skin, screen(190, 90, 80), 0.12)
    for side in (-1.0, 1.0):
        u = side * (person.head_width + person.ear_out - 0.02) - 0.22 * scene.turn
        with canvas.part(u, 0.02, 0.1, person.ear_size) as part:
            du_hw, dv_hw = part.u_hw - u, part.v_hw - 0.02
            cover_hw = part.ellipse(du_hw + dv_hw * (0.2 * side), dv_hw, 0.085, person.ear_size)
            part.paint(cover_hw, ear)
            part.light(cover_hw, scene.ambient + scene.diffuse * max(0.1, 0.5 + 0.35 * side * scene.light_x))
            part.shade(0.4, bump(du_hw, dv_hw, 0.06, 0.7 * person.ear_size))


def paint_face(canvas: Canvas, person: Person, scene: Nuisance) -> None:
    """The skin within the outline, lit by Lambert's law on a rounded head with its relief."""
    cover_hw = canvas.edge(outline_depth(person, canvas.u_hw, canvas.v_hw))
    canvas.paint(cover_hw, person.skin)
    across_hw, down_hw = canvas.u_hw * (0.85 / person.head_width), canvas.v_hw * 0.62
    towards_hw = np.sqrt(np.maximum(1.02 - across_hw**2 - down_hw**2, 0.03))
    for u, v, half_across, half_down, height in _relief(person, scene):
        tip = 0.0 if u else NOSE_STANDS_OUT * scene.turn
        place = canvas.window(tip, v, u + half_across, half_down)
        u_hw, dv_hw = canvas.u_hw[place] - tip, canvas.v_hw[place] - v
        du_hw = np.abs(u_hw) - u if u else u_hw  # on both sides at once
        slope_hw = bowl(du_hw, dv_hw, half_across, half_down) * (4.0 * height)
        down_hw[place] += slope_hw * dv_hw * (1.0 / half_down**2)
        slope_hw *= du_hw * (1.0 / half_across**2)
        across_hw[place] += slope_hw * np.sign(u_hw) if u else slope_hw
    length = (scene.light_x**2 + scene.light_y**2 + 1.0) ** 0.5
    facing_hw = across_hw * (scene.light_x / length) + down_hw * (scene.light_y / length) + towards_hw * (1.0 / length)
    facing_hw /= np.sqrt(across_hw**2 + down_hw**2 + towards_hw**2)
    canvas.light(cover_hw, np.maximum(facing_hw, 0.0) * (1.25 * scene.diffuse) + scene.ambient)


def _relief(person: Person, scene: Nuisance) -> list[tuple[float, float, float, float, float]]:
    """Bumps and hollows: u (0, or on both sides), v, half-axes across and down, height in face units."""
    eye, nose_end = person.eye_height, person.eye_height + person.nose_length
    mouth = nose_end + person.mouth_height
    smile = max(0.0, scene.smile)
    return [
        (0.0, eye + 0.45 * person.nose_length, 0.06 + person.nose_bridge, 0.75 * person.nose_length, 0.055),
        (0.0, nose_end - 0.02, person.nose_tip * 1.5, person.nose_tip * 1.3, 0.055),
        (0.0, mouth + 0.02, person.mouth_width * 1.2, 0.16, 0.035),
        (0.0, person.chin_length - 0.14, 0.17, 0.13, 0.02 + person.chin_bump),
        (person.eye_spacing, eye, 0.19, 0.13, -0.02 - 0.03 * person.eye_depth),
        (person.eye_spacing, person.brow_height, 0.22, 0.09, 0.010 + 0.018 * person.eye_depth),
        (0.6 * person.head_width, 0.13 - 0.04 * smile, 0.27, 0.21, person.cheekbone + 0.02 * smile),
    ]


def paint_skin_details(canvas: Canvas, person: Person, scene: Nuisance) -> None:
    """Blush, the lines of age, freckles and moles."""
    nose_end = person.eye_height + person.nose_length
    with canvas.part(0.0, 0.22, 0.70, 0.28) as cheeks:
        out_hw = np.abs(cheeks.u_hw)
        if person.cheek_blush > 0.0:
            blush_hw = bump(out_hw - 0.42, cheeks.v_hw - 0.2, 0.28, 0.2)
            cheeks.colour_Chw[1:] *= 1.0 - (0.45 * person.cheek_blush) * blush_hw
        # The fold from the nose's wing to the corner of the mouth, deeper with age and with a smile.
        dv_hw = cheeks.v_hw - (nose_end + 0.12)
        crease_hw = bump(out_hw - 0.27 - dv_hw * 0.55, dv_hw, 0.035, 0.19)
        cheeks.shade(0.08 + 0.4 * person.age * (0.5 + 0.7 * max(0.0, scene.smile)), crease_hw)
    if person.age > 0.5:
        with canvas.part(0.0, -0.5, 0.42, 0.1) as forehead:
            rows_hw = forehead.v_hw * 18.0
            lines_hw = line(rows_hw - np.floor(rows_hw) - 0.5, 0.2) * bump(forehead.u_hw, forehead.v_hw + 0.5, 0.42, 0.12)
            forehead.shade(0.7 * (person.age - 0.4), lines_hw)
    moles = int(person.moles)
    freckles = int(person.freckles * (len(person.spots) - moles))
    for number, (across, down, size) in enumerate(person.spots[: moles + freckles]):
        if number < moles:
            _paint_spot(canvas, across * 0.75 * person.head_width, -0.45 + 1.15 * down, 0.020 + 0.014 * size, 0.75)
        else:
            _paint_spot(canvas, across * 0.6 * person.head_width, 0.26 * down, 0.014 + 0.012 * size, 0.4)


def _paint_spot(canvas: Canvas, u: float, v: float, radius: float, strength: float) -> None:
    # Smaller than a pixel, a spot keeps its area and loses contrast, as in a camera.
    seen = max(radius, 0.75 * canvas.pixel)
    place = canvas.window(u, v, seen, seen)
    spot_hw = bump(canvas.u_hw[place] - u, canvas.v_hw[place] - v, 1.4 * seen, 1.4 * seen)
    canvas.light_hw[place] *= 1.0 - spot_hw * (strength * (radius / seen) ** 2)
