"""The features of the face: eyes, brows, nose and mouth, painted on the lit skin. |u| paints both sides at once.

Coordinates are in face units. Suffixes of array names: N images, h×w pixels of a part.
"""

from __future__ import annotations

import numpy as np

from fedface_learning.data.synthetic.canvas import Canvas, bump, line, ramp
from fedface_learning.data.synthetic.draws import scaled, screen
from fedface_learning.data.synthetic.head import NOSE_PROTRUSION
from fedface_learning.data.synthetic.identity import Person
from fedface_learning.data.synthetic.scene import Scene


def paint_eyes(canvas: Canvas, person: Person, scene: Scene) -> None:
    """Paint the eyes: almonds of white with iris, pupil and highlight, under an upper lid with lashes and a fold."""
    opening = person.eye_open * scene.eyes_open * (1.0 - 0.25 * scene.smiling)
    with canvas.part(0.0, person.eye_height - 0.03, person.eye_spacing + person.eye_width + 0.02, 0.13) as part:
        du_Nhw = np.abs(part.u_Nhw) - person.eye_spacing  # away from the nose
        level_Nhw = part.v_Nhw - person.eye_height
        dv_Nhw = level_Nhw + du_Nhw * person.eye_tilt
        part.shade(0.1 + 0.25 * person.eye_depth, bump(du_Nhw, dv_Nhw + 0.05, person.eye_width + 0.05, 0.14))

        along_Nhw = np.maximum(1.0 - (du_Nhw * (1.0 / person.eye_width)) ** 2, 0.0)
        from_upper_Nhw = dv_Nhw + along_Nhw * opening
        from_lower_Nhw = along_Nhw * (0.62 * opening) - dv_Nhw
        lid_Nhw = along_Nhw > 0.0
        white_Nhw = part.edge(np.minimum(from_upper_Nhw, from_lower_Nhw) * 0.9) * lid_Nhw
        part.paint(white_Nhw, screen(222, 218, 214))

        # Both eyes look in one direction, so measured from the nose outwards their gaze has opposite signs.
        iris_Nhw = np.abs(du_Nhw - np.copysign(scene.gaze_x, part.u_Nhw))
        drop_Nhw = level_Nhw + (0.15 * opening - scene.gaze_y)
        size = person.iris_size
        part.paint(white_Nhw * part.ellipse(iris_Nhw, drop_Nhw, size, size), scaled(person.iris, 0.35))
        part.paint(white_Nhw * part.ellipse(iris_Nhw, drop_Nhw, 0.80 * size, 0.80 * size), person.iris)
        part.paint(white_Nhw * part.ellipse(iris_Nhw, drop_Nhw, 0.42 * size, 0.42 * size), screen(12, 10, 10))
        part.paint(white_Nhw * bump(iris_Nhw - 0.012, drop_Nhw + 0.02, 0.026, 0.026), screen(245, 245, 245))

        part.shade(0.85, line(from_upper_Nhw, 0.024) * lid_Nhw)
        part.shade(0.35, line(from_lower_Nhw, 0.018) * lid_Nhw)
        part.shade(0.5 * person.eyelid, line(from_upper_Nhw + 0.045, 0.02) * along_Nhw)


def paint_brows(canvas: Canvas, person: Person, scene: Scene) -> None:
    """Paint a brow over each eye: arched, and thinner at its outer end."""
    height = person.brow_height - scene.brow_raise
    middle = person.eye_spacing + 0.015
    with canvas.part(0.0, height, middle + person.brow_length, 0.13) as part:
        out_Nhw = (np.abs(part.u_Nhw) - middle) * (1.0 / person.brow_length)  # −1 at the nose, 1 at the outer end
        bend_Nhw = (
            person.brow_arch * (1.0 - out_Nhw * out_Nhw) + ((person.brow_angle - scene.frown) * person.brow_length) * out_Nhw
        )
        thick_Nhw = person.brow_thickness * (1.0 - 0.8 * ramp(out_Nhw, 0.0, 1.05))
        cover_Nhw = part.edge(thick_Nhw - np.abs(part.v_Nhw - height + bend_Nhw)) * part.edge((1.05 - np.abs(out_Nhw)) * 0.2)
        part.paint(cover_Nhw * person.brow_density, person.brows)


def paint_nose(canvas: Canvas, person: Person, scene: Scene) -> None:
    """Paint nostrils, and the shade under the nose's tip and along its wings and bridge; the head's relief does the rest."""
    tip = NOSE_PROTRUSION * scene.turn
    end = person.eye_height + person.nose_length
    width = person.nose_width
    with canvas.part(tip, end + 0.02, width + 0.04, 0.09) as part:
        du_Nhw = np.abs(part.u_Nhw - tip)
        dv_Nhw = part.v_Nhw - end
        part.shade(0.42, bump(du_Nhw, dv_Nhw - 0.065, width * 1.05, 0.05))
        part.shade(0.50, bump(du_Nhw - width, dv_Nhw - 0.005, 0.035, 0.065))
        hole_Nhw = dv_Nhw - 0.045
        nostril_Nhw = bump(du_Nhw - 0.52 * width + hole_Nhw * 0.5, hole_Nhw, 0.36 * width, 0.036)
        part.shade(0.3 + 0.6 * person.nostrils, nostril_Nhw)
        part.shade(-0.35, bump(du_Nhw, dv_Nhw + 0.02, 0.4 * person.nose_tip, 0.4 * person.nose_tip))
    with canvas.part(0.5 * tip, person.eye_height + 0.03, person.nose_bridge + 0.085, 0.14) as root:
        flank_Nhw = np.abs(root.u_Nhw - 0.5 * tip) - (person.nose_bridge + 0.035)
        root.shade(0.20, bump(flank_Nhw, root.v_Nhw - (person.eye_height + 0.03), 0.05, 0.14))


def paint_mouth(canvas: Canvas, person: Person, scene: Scene) -> None:
    """Paint two lips that meet in a line, which a smile bends; if the mouth is open, teeth and the dark behind them."""
    height = person.mouth + 0.05 * scene.mouth_open
    half = person.mouth_width * (1.0 + 0.16 * scene.smile) * (1.0 - 0.15 * scene.mouth_open)
    with canvas.part(0.0, height, half, 0.2) as part:
        out_Nhw = part.u_Nhw * (1.0 / half)
        squared_Nhw = out_Nhw * out_Nhw
        along_Nhw = np.maximum(1.0 - squared_Nhw, 0.0)
        # The corners rise with a smile, and by the shape of the person's lips.
        dv_Nhw = part.v_Nhw - height + squared_Nhw * (0.10 * scene.smile + person.lip_corners)
        gap_Nhw = along_Nhw * (0.055 * scene.mouth_open)
        root_Nhw = np.sqrt(along_Nhw)
        bow_Nhw = np.maximum(1.0 - squared_Nhw * 9.0, 0.0)
        upper_Nhw = root_Nhw * (along_Nhw + 0.25) * (0.8 * person.lip_upper) * (1.0 - (0.35 * person.lip_bow) * bow_Nhw)
        lower_Nhw = gap_Nhw + root_Nhw * person.lip_lower

        part.shade(0.32, bump(out_Nhw, dv_Nhw - lower_Nhw - 0.045, 0.75, 0.05))
        lips_Nhw = part.edge(np.minimum(dv_Nhw + gap_Nhw + upper_Nhw, lower_Nhw - dv_Nhw)) * (along_Nhw > 0.0)
        part.paint(lips_Nhw, person.lips)
        part.shade(0.28, lips_Nhw * (dv_Nhw < 0.0))
        part.shade(-0.30, bump(out_Nhw, dv_Nhw - gap_Nhw - 0.5 * person.lip_lower, 0.5, 0.03))
        inside_Nhw = part.edge(gap_Nhw - np.abs(dv_Nhw)) * (gap_Nhw > 0.0)
        part.paint(inside_Nhw, screen(58, 22, 24))
        part.paint(inside_Nhw * (dv_Nhw < gap_Nhw * 0.25) * (squared_Nhw < 0.64), screen(216, 208, 196))
        part.shade(0.65, line(np.abs(dv_Nhw) - gap_Nhw, 0.016) * (along_Nhw > 0.0))
