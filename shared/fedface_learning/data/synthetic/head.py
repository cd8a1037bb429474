"""The head: its outline, its relief under the light, the skin, the ears and the neck.

Coordinates are in face units. Suffixes of array names: N images, h×w pixels of a part or of the whole picture.
"""

from __future__ import annotations

import numpy as np

from fedface_learning.data.synthetic.canvas import Canvas, Surface, bowl, bump, line, ramp
from fedface_learning.data.synthetic.draws import mix, screen
from fedface_learning.data.synthetic.identity import Person
from fedface_learning.data.synthetic.scene import Plane, Scene

_CHEEK = 0.04  # The v at which the face is widest.
NOSE_PROTRUSION = 0.16  # As the head turns, the nose's tip moves so much further than the face under it.


def outline_depth(
    person: Person, u_Nhw: Plane, v_Nhw: Plane, wider: float | Plane = 0.0, higher: float | Plane = 0.0
) -> Plane:
    """The depth of points (u, v) inside the head's outline, in face units; it is negative outside.

    The head is ``wider`` and ``higher`` than the person's by so much. The outline blends a parabola, which has a pointed
    chin, and a square curve, which has a strong jaw.
    """
    below_Nhw: Plane = v_Nhw - _CHEEK
    down = 1.0 / (person.chin_length - _CHEEK)
    up = -1.0 / (person.head_height + higher + _CHEEK)
    squared_Nhw: Plane = below_Nhw * down
    np.maximum(squared_Nhw, below_Nhw * up, out=squared_Nhw)
    squared_Nhw *= squared_Nhw
    square_Nhw = below_Nhw
    square_Nhw *= -4.0
    square_Nhw += 0.5
    np.clip(square_Nhw, 0.0, 1.0, out=square_Nhw)
    square_Nhw *= 0.92 - person.jaw_square
    square_Nhw += person.jaw_square
    parabola_Nhw = 1.0 - squared_Nhw
    squared_Nhw *= squared_Nhw
    np.subtract(1.0, squared_Nhw, out=squared_Nhw)
    width_Nhw: Plane = np.sqrt(np.maximum(squared_Nhw, 0.0, out=squared_Nhw), out=squared_Nhw)
    width_Nhw -= parabola_Nhw
    width_Nhw *= square_Nhw
    width_Nhw += parabola_Nhw
    width_Nhw *= 0.85 * (person.head_width + wider)
    width_Nhw -= np.abs(u_Nhw) * 0.85
    return width_Nhw


def paint_ears_and_neck(canvas: Canvas, person: Person, scene: Scene) -> None:
    """Paint the neck, and the ears, unless long hair hides them; an ear comes out on the side that turns to the camera."""
    with canvas.part(0.0, 0.9, 0.7 * person.head_width, 0.45) as neck:
        neck_Nhw = neck.edge(0.66 * person.head_width - np.abs(neck.u_Nhw)) * ramp(neck.v_Nhw, 0.45, 0.5)
        below_chin_Nhw = ramp(neck.v_Nhw, person.chin_length - 0.1, person.chin_length + 0.25)
        neck.paint(neck_Nhw, person.skin)
        neck.light(neck_Nhw, (0.45 + 0.55 * below_chin_Nhw) * (scene.ambient + 0.6 * scene.diffuse))
    if person.hair_length > 0.0:  # hidden under the hair
        return
    ear = mix(person.skin, screen(190, 90, 80), 0.12)
    for side in (-1.0, 1.0):
        u = side * (person.head_width + person.ear_out - 0.02) - 0.22 * scene.turn
        with canvas.part(u, 0.02, 0.16, person.ear_size) as part:
            du_Nhw = part.u_Nhw - u
            dv_Nhw = part.v_Nhw - 0.02
            cover_Nhw = part.ellipse(du_Nhw + dv_Nhw * (0.2 * side), dv_Nhw, 0.085, person.ear_size)
            part.paint(cover_Nhw, ear)
            part.light(cover_Nhw, scene.ambient + scene.diffuse * np.maximum(0.5 + 0.35 * side * scene.light_x, 0.1))
            part.shade(0.4, bump(du_Nhw, dv_Nhw, 0.06, 0.7 * person.ear_size))


def paint_face(canvas: Canvas, person: Person, scene: Scene) -> None:
    """Paint the skin inside the outline, lit by Lambert's law on a rounded head with its relief."""
    cover_Nhw = canvas.edge(outline_depth(person, canvas.u_Nhw, canvas.v_Nhw))
    canvas.paint(cover_Nhw, person.skin)
    # The normal of the surface, not at unit length: first of the rounded head, then with the slopes of the relief.
    normal_u_Nhw = canvas.u_Nhw * (0.85 / person.head_width)
    normal_v_Nhw = canvas.v_Nhw * 0.62
    normal_z_Nhw = np.sqrt(np.maximum(1.02 - normal_u_Nhw**2 - normal_v_Nhw**2, 0.03))
    for middle, half_sizes, bumps in _relief(person, NOSE_PROTRUSION * scene.turn):
        window = canvas.window(*middle, *half_sizes)
        u_Nhw = window.take(canvas.u_Nhw) - middle[0]
        v_Nhw = window.take(canvas.v_Nhw)
        part_u_Nhw = window.take(normal_u_Nhw)
        part_v_Nhw = window.take(normal_v_Nhw)
        for u, v, half_across, half_down, height in bumps:
            du_Nhw = np.abs(u_Nhw) - u  # A bump with u > 0 lies on both sides.
            dv_Nhw = v_Nhw - v
            slope_Nhw = bowl(du_Nhw, dv_Nhw, half_across, half_down) * (4.0 * height)
            part_v_Nhw += slope_Nhw * dv_Nhw * (1.0 / half_down**2)
            slope_Nhw *= du_Nhw * (1.0 / half_across**2)
            part_u_Nhw += slope_Nhw * np.sign(u_Nhw)
        window.put(normal_u_Nhw, part_u_Nhw)
        window.put(normal_v_Nhw, part_v_Nhw)
    # The cosine of the angle between the normal and the direction (light_x, light_y, 1) of the light.
    length = np.sqrt(scene.light_x**2 + scene.light_y**2 + 1.0)
    cosine_Nhw = normal_z_Nhw * (1.0 / length)
    squared_norm_Nhw = normal_z_Nhw * normal_z_Nhw
    for normal_Nhw, light in ((normal_u_Nhw, scene.light_x), (normal_v_Nhw, scene.light_y)):
        cosine_Nhw += normal_Nhw * (light / length)
        normal_Nhw *= normal_Nhw
        squared_norm_Nhw += normal_Nhw
    cosine_Nhw /= np.sqrt(squared_norm_Nhw, out=squared_norm_Nhw)
    light_Nhw = np.maximum(cosine_Nhw, 0.0, out=cosine_Nhw)
    light_Nhw *= 1.25 * scene.diffuse
    light_Nhw += scene.ambient
    canvas.light(cover_Nhw, light_Nhw)


# A bump (or, with a negative height, a hollow) in the relief: u from the middle of its group (0: in the middle; above 0: on
# both sides), v, the half-axes across and down, and the height, in face units.
Bump = tuple[float, float, float, float, float]


def _relief(person: Person, tip: Plane) -> list[tuple[tuple[Plane | float, float], tuple[float, float], list[Bump]]]:
    """The bumps of the face in groups, each with the middle and the half-sizes of a box around it. ``tip`` is the u of the
    nose's tip.
    """
    eye = person.eye_height
    nose_end = person.eye_height + person.nose_length
    bridge = 0.06 + person.nose_bridge
    chin = person.chin_length - 0.14
    nose: list[Bump] = [
        (0.0, eye + 0.45 * person.nose_length, bridge, 0.75 * person.nose_length, 0.055),
        (0.0, nose_end - 0.02, person.nose_tip * 1.5, person.nose_tip * 1.3, 0.055),
    ]
    below: list[Bump] = [
        (0.0, person.mouth + 0.02, person.mouth_width * 1.2, 0.16, 0.035),
        (0.0, chin, 0.17, 0.13, 0.02 + person.chin_bump),
    ]
    sides: list[Bump] = [
        (person.eye_spacing, eye, 0.19, 0.13, -0.02 - 0.03 * person.eye_depth),
        (person.eye_spacing, person.brow_height, 0.22, 0.09, 0.010 + 0.018 * person.eye_depth),
        (0.6 * person.head_width, 0.12, 0.27, 0.21, person.cheekbone + 0.004),
    ]
    top = person.brow_height - 0.1
    return [
        ((tip, eye + 0.5 * person.nose_length), (0.15, 0.5 * person.nose_length + 0.12), nose),
        ((0.0, 0.5 * (person.mouth + chin)), (person.mouth_width * 1.2, 0.5 * (chin - person.mouth) + 0.16), below),
        ((0.0, 0.5 * (top + 0.34)), (0.75, 0.5 * (0.34 - top)), sides),
    ]


def paint_skin_details(canvas: Canvas, person: Person, scene: Scene) -> None:
    """Paint blush, the lines of age, freckles and moles."""
    nose_end = person.eye_height + person.nose_length
    with canvas.part(0.0, 0.22, 0.70, 0.28) as cheeks:
        out_Nhw = np.abs(cheeks.u_Nhw)
        if person.cheek_blush > 0.0:
            blush_Nhw = bump(out_Nhw - 0.42, cheeks.v_Nhw - 0.2, 0.28, 0.2)
            cheeks.colour_NChw[:, 1:] *= 1.0 - (0.45 * person.cheek_blush) * blush_Nhw[:, None]
        # The fold from the nose's wing to the corner of the mouth is deeper with age and with a smile.
        dv_Nhw = cheeks.v_Nhw - (nose_end + 0.12)
        crease_Nhw = bump(out_Nhw - 0.27 - dv_Nhw * 0.55, dv_Nhw, 0.035, 0.19)
        cheeks.shade(0.08 + 0.4 * person.age * (0.5 + 0.7 * scene.smiling), crease_Nhw)
    if person.age > 0.5:
        with canvas.part(0.0, -0.5, 0.42, 0.1) as forehead:
            rows_Nhw = forehead.v_Nhw * 18.0
            lines_Nhw = line(rows_Nhw - np.floor(rows_Nhw) - 0.5, 0.2) * bump(
                forehead.u_Nhw, forehead.v_Nhw + 0.5, 0.42, 0.12
            )
            forehead.shade(0.7 * (person.age - 0.4), lines_Nhw)
    moles = int(person.moles)
    freckles = person.spots[moles : moles + int(person.freckles * (len(person.spots) - moles))]
    for across, down, size in person.spots[:moles]:
        u = across * 0.75 * person.head_width
        v = -0.45 + 1.15 * down
        radius = 0.020 + 0.014 * size
        with canvas.part(u, v, 2.0 * radius, 2.0 * radius) as part:
            _paint_spot(part, u, v, radius, 0.75)
    if freckles:
        with canvas.part(0.0, 0.13, 0.45, 0.15) as part:
            for across, down, size in freckles:
                _paint_spot(part, across * 0.6 * person.head_width, 0.26 * down, 0.014 + 0.012 * size, 0.4)


def _paint_spot(part: Surface, u: float, v: float, radius: float, strength: float) -> None:
    # A spot smaller than a pixel is painted larger and with less contrast, as a camera sees it.
    seen_radius = np.maximum(radius, 0.75 * part.pixel)
    cover_Nhw = bump((part.u_Nhw - u) / seen_radius, (part.v_Nhw - v) / seen_radius, 1.4, 1.4)
    part.shade(strength * (radius / seen_radius) ** 2, cover_Nhw)
