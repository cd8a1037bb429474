"""The hair: behind the head, over the forehead and the temples, and the beard."""

from __future__ import annotations

import numpy as np

from fedface_core.learning.data.synthetic.canvas import Canvas, Plane, bump, ramp, wave
from fedface_core.learning.data.synthetic.draws import scaled
from fedface_core.learning.data.synthetic.head import outline_depth
from fedface_core.learning.data.synthetic.identity import Person
from fedface_core.learning.data.synthetic.nuisance import Nuisance

_SIDEBURNS = 0.06  # how far down short hair comes before the ears


def paint_hair_behind(canvas: Canvas, person: Person, scene: Nuisance) -> None:
    """Long hair that falls behind the neck, in the shade."""
    if person.hair_length > 0.0:
        cover_hw = canvas.edge(_fall(person, scene, canvas.x_hw, canvas.y_hw))
        canvas.paint(cover_hw, person.hair)
        canvas.light(cover_hw, 0.4 * (scene.ambient + 0.5 * scene.diffuse))


def paint_hair(canvas: Canvas, person: Person, scene: Nuisance) -> None:
    """All between the hairline and the hair's outline, in strands; long hair covers the sides of the cheeks too."""
    long = person.hair_length > 0.0
    reach = 0.5 * (1.4 + max(_SIDEBURNS, person.hair_length))
    with canvas.part(0.0, reach - 1.4, 1.1, reach) as part:
        u_hw, v_hw = part.u_hw, part.v_hw
        out_hw = np.abs(u_hw) * (1.0 / person.head_width)
        ruffled = 0.0 if person.bald else scene.hair_dishevelled
        side, top = (0.01, 0.0) if person.bald else (person.hair_side if long else 0.5 * person.hair_side, person.hair_top)
        outline_hw = outline_depth(person, u_hw, v_hw, wider=side + 0.5 * ruffled, higher=top + ruffled)
        inside_hw = np.minimum(outline_hw, _hairline(person, u_hw, out_hw) - v_hw)
        beside_hw = (out_hw - (0.88 if long else 0.95)) * person.head_width
        if long:
            beside_hw = np.minimum(beside_hw, _fall(person, scene, u_hw, v_hw))
        else:
            beside_hw = np.minimum(np.minimum(beside_hw, outline_hw), (_SIDEBURNS - v_hw) * 0.5)
        inside_hw = np.maximum(inside_hw, beside_hw)

        # The hair throws a little shade on the skin beside it.
        part.shade(0.30, ramp(inside_hw, -0.08, 0.0))
        cover_hw = part.edge(inside_hw)
        part.paint(cover_hw, person.hair)
        # Lit like the rounded head below it, with a sheen across the crown.
        slant = scene.light_x / (1.0 + abs(scene.light_x))
        facing_hw = np.maximum(
            0.55 + (0.5 * slant / person.head_width) * u_hw + 0.35 * bump(u_hw - 0.3 * slant, v_hw + 0.75, 0.7, 0.22), 0.05
        )
        part.light(cover_hw, (facing_hw * scene.diffuse + scene.ambient) * _strands(person, u_hw, v_hw))


def paint_beard(canvas: Canvas, person: Person) -> None:
    """A beard from the sideburns to the chin, and a moustache, as dense as the person's."""
    if person.beard == 0.0 and person.moustache == 0.0:
        return
    with canvas.part(0.0, 0.6, 0.85, 0.5) as part:
        du_hw, dv_hw = part.u_hw, part.v_hw
        upper_hw = dv_hw - person.beard_height + (du_hw * (0.75 / person.head_width)) ** 2
        beard_hw = np.maximum(ramp(upper_hw, -0.06, 0.14) - bump(du_hw, dv_hw - person.mouth, 0.30, 0.13), 0.0)
        lip_hw = dv_hw - (person.mouth - 0.085) + 0.35 * du_hw * du_hw
        moustache_hw = np.minimum(2.0 * bump(du_hw, lip_hw, 0.31, 0.075), 1.0)
        rough_hw = 0.85 + 0.15 * wave(du_hw * 9.0 + dv_hw * 3.0)
        cover_hw = np.maximum(beard_hw * person.beard, moustache_hw * person.moustache) * rough_hw
        part.paint(cover_hw * part.edge(outline_depth(person, du_hw, dv_hw)), scaled(person.hair, 0.7))


def _hairline(person: Person, u_hw: Plane, out_hw: Plane) -> Plane:
    """The height at which the hair begins: a peak or not, receding or not, slanted by the parting, low at the temples."""
    if person.bald:
        return np.full_like(u_hw, -2.0)
    squared_hw = out_hw * out_hw
    line_hw = person.hairline - (0.3 * person.parting) * u_hw + squared_hw * squared_hw * 0.3
    line_hw += person.hairline_peak * np.maximum(1.0 - u_hw * u_hw * 20.0, 0.0)
    line_hw -= person.hairline_recession * np.maximum(1.0 - (out_hw - 0.5) ** 2 * 9.0, 0.0)
    return line_hw


def _fall(person: Person, scene: Nuisance, u_hw: Plane, v_hw: Plane) -> Plane:
    """Depth inside long hair: a column with a rounded end, a little wider towards it."""
    width = person.head_width + person.hair_side + scene.hair_dishevelled
    below_hw = np.maximum(v_hw - (person.hair_length - 0.4), 0.0)
    side_hw = width + 0.06 * v_hw - np.abs(u_hw) - below_hw * below_hw * 1.6
    depth_hw: Plane = np.minimum(side_hw, np.minimum(person.hair_length - v_hw, v_hw + 0.55))
    return depth_hw


def _strands(person: Person, u_hw: Plane, v_hw: Plane) -> Plane:
    """The brightness of the strands: straight hair runs down from the parting, curly hair clumps."""
    run_hw = (u_hw - person.parting) * 7.0 + v_hw * 1.5 + (1.6 * person.hair_curl) * wave(v_hw * 3.1 + u_hw)
    return 1.0 + 0.20 * wave(run_hw) + 0.14 * wave(run_hw * 2.3)
