"""The hair: behind the head, above the forehead and at the temples; and the beard.

Coordinates are in face units. Suffixes of array names: N images, h×w pixels of a part.
"""

from __future__ import annotations

import numpy as np

from fedface_learning.data.synthetic.canvas import Canvas, bump, ramp, wave
from fedface_learning.data.synthetic.draws import scaled
from fedface_learning.data.synthetic.head import outline_depth
from fedface_learning.data.synthetic.identity import Person
from fedface_learning.data.synthetic.scene import Plane, Scene

_SIDEBURNS = 0.06  # The v at which short hair ends in front of the ears.


def paint_hair_behind(canvas: Canvas, person: Person, scene: Scene) -> None:
    """Paint long hair that falls behind the neck, in the shade."""
    if person.hair_length > 0.0:
        cover_Nhw = canvas.edge(_long_hair_depth(person, scene, canvas.x_Nhw, canvas.y_Nhw))
        canvas.paint(cover_Nhw, person.hair)
        canvas.light(cover_Nhw, 0.4 * (scene.ambient + 0.5 * scene.diffuse))


def paint_hair(canvas: Canvas, person: Person, scene: Scene) -> None:
    """Paint the hair between the hairline and its outline, in strands. Long hair covers the sides of the cheeks too."""
    long = person.hair_length > 0.0
    reach = 0.5 * (1.4 + max(_SIDEBURNS, person.hair_length))
    with canvas.part(0.0, reach - 1.4, 1.1, reach) as part:
        u_Nhw = part.u_Nhw
        v_Nhw = part.v_Nhw
        out_Nhw = np.abs(u_Nhw) * (1.0 / person.head_width)
        ruffled = 0.0 if person.bald else scene.hair_dishevelled
        if person.bald:
            side = 0.01
            top = 0.0
        else:
            side = person.hair_side if long else 0.5 * person.hair_side
            top = person.hair_top
        outline_Nhw = outline_depth(person, u_Nhw, v_Nhw, wider=side + 0.5 * ruffled, higher=top + ruffled)
        inside_Nhw = np.minimum(outline_Nhw, _hairline_height(person, u_Nhw, out_Nhw) - v_Nhw)
        temples_Nhw = (out_Nhw - (0.88 if long else 0.95)) * person.head_width
        if long:
            temples_Nhw = np.minimum(temples_Nhw, _long_hair_depth(person, scene, u_Nhw, v_Nhw))
        else:
            temples_Nhw = np.minimum(np.minimum(temples_Nhw, outline_Nhw), (_SIDEBURNS - v_Nhw) * 0.5)
        inside_Nhw = np.maximum(inside_Nhw, temples_Nhw)

        # The hair casts a little shade on the skin next to it.
        part.shade(0.30, ramp(inside_Nhw, -0.08, 0.0))
        cover_Nhw = part.edge(inside_Nhw)
        part.paint(cover_Nhw, person.hair)
        # The hair is lit like the rounded head under it, and has a sheen across the crown.
        slant = scene.light_x / (1.0 + abs(scene.light_x))
        facing_Nhw = np.maximum(
            0.55 + (0.5 * slant / person.head_width) * u_Nhw + 0.35 * bump(u_Nhw - 0.3 * slant, v_Nhw + 0.75, 0.7, 0.22),
            0.05,
        )
        part.light(cover_Nhw, (facing_Nhw * scene.diffuse + scene.ambient) * _strand_brightness(person, u_Nhw, v_Nhw))


def paint_beard(canvas: Canvas, person: Person) -> None:
    """Paint a beard from the sideburns to the chin, and a moustache, each as dense as the person has it."""
    if person.beard == 0.0 and person.moustache == 0.0:
        return
    with canvas.part(0.0, 0.6, 0.85, 0.5) as part:
        u_Nhw = part.u_Nhw
        v_Nhw = part.v_Nhw
        below_edge_Nhw = v_Nhw - person.beard_height + (u_Nhw * (0.75 / person.head_width)) ** 2
        beard_Nhw = np.maximum(ramp(below_edge_Nhw, -0.06, 0.14) - bump(u_Nhw, v_Nhw - person.mouth, 0.30, 0.13), 0.0)
        lip_Nhw = v_Nhw - (person.mouth - 0.085) + 0.35 * u_Nhw * u_Nhw
        moustache_Nhw = np.minimum(2.0 * bump(u_Nhw, lip_Nhw, 0.31, 0.075), 1.0)
        density_Nhw = 0.85 + 0.15 * wave(u_Nhw * 9.0 + v_Nhw * 3.0)
        cover_Nhw = np.maximum(beard_Nhw * person.beard, moustache_Nhw * person.moustache) * density_Nhw
        part.paint(cover_Nhw * part.edge(outline_depth(person, u_Nhw, v_Nhw)), scaled(person.hair, 0.7))


def _hairline_height(person: Person, u_Nhw: Plane, out_Nhw: Plane) -> Plane:
    """The v at which the hair begins above each u: with a peak or not, receding or not, slanted by the parting."""
    if person.bald:
        return np.full_like(u_Nhw, -2.0)
    squared_Nhw = out_Nhw * out_Nhw
    line_Nhw = person.hairline - (0.3 * person.parting) * u_Nhw + squared_Nhw * squared_Nhw * 0.3
    line_Nhw += person.hairline_peak * np.maximum(1.0 - u_Nhw * u_Nhw * 20.0, 0.0)
    line_Nhw -= person.hairline_recession * np.maximum(1.0 - (out_Nhw - 0.5) ** 2 * 9.0, 0.0)
    return line_Nhw


def _long_hair_depth(person: Person, scene: Scene, u_Nhw: Plane, v_Nhw: Plane) -> Plane:
    """The depth of a point in the outline of long hair: a column that grows a little wider, with a rounded end."""
    width = person.head_width + person.hair_side + scene.hair_dishevelled
    below_Nhw = np.maximum(v_Nhw - (person.hair_length - 0.4), 0.0)
    side_Nhw = width + 0.06 * v_Nhw - np.abs(u_Nhw) - below_Nhw * below_Nhw * 1.6
    depth_Nhw: Plane = np.minimum(side_Nhw, np.minimum(person.hair_length - v_Nhw, v_Nhw + 0.55))
    return depth_Nhw


def _strand_brightness(person: Person, u_Nhw: Plane, v_Nhw: Plane) -> Plane:
    """The brightness of the strands: straight hair runs down from the parting, curly hair forms clumps."""
    run_Nhw = (u_Nhw - person.parting) * 9.0 + v_Nhw * 1.5 + (1.6 * person.hair_curl) * wave(v_Nhw * 3.1 + u_Nhw)
    return 1.0 + 0.24 * wave(run_Nhw)
