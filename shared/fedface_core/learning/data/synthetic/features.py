"""The features: eyes, brows, nose and mouth, painted over the lit skin. Both sides at once, by |u|."""

from __future__ import annotations

import numpy as np

from fedface_core.learning.data.synthetic.canvas import Canvas, bump, line, ramp
from fedface_core.learning.data.synthetic.draws import scaled, screen
from fedface_core.learning.data.synthetic.head import NOSE_STANDS_OUT
from fedface_core.learning.data.synthetic.identity import Person
from fedface_core.learning.data.synthetic.nuisance import Nuisance


def paint_eyes(canvas: Canvas, person: Person, scene: Nuisance) -> None:
    """Two almonds of white with iris, pupil and highlight, under an upper lid with its lashes and fold."""
    opening = person.eye_open * scene.eyes_open * (1.0 - 0.25 * max(0.0, scene.smile))
    with canvas.part(0.0, person.eye_height - 0.03, person.eye_spacing + person.eye_width + 0.02, 0.13) as part:
        du_hw = np.abs(part.u_hw) - person.eye_spacing  # away from the nose
        level_hw = part.v_hw - person.eye_height
        dv_hw = level_hw + du_hw * person.eye_tilt
        part.shade(0.1 + 0.25 * person.eye_depth, bump(du_hw, dv_hw + 0.05, person.eye_width + 0.05, 0.14))

        along_hw = np.maximum(1.0 - (du_hw * (1.0 / person.eye_width)) ** 2, 0.0)
        from_upper_hw = dv_hw + along_hw * opening
        from_lower_hw = along_hw * (0.62 * opening) - dv_hw
        lid_hw = along_hw > 0.0
        white_hw = part.edge(np.minimum(from_upper_hw, from_lower_hw) * 0.9) * lid_hw
        part.paint(white_hw, screen(222, 218, 214))

        # Both eyes look the same way, so the gaze has opposite signs away from the nose.
        iris_hw = np.abs(du_hw - np.copysign(scene.gaze_x, part.u_hw))
        drop_hw = level_hw + (0.15 * opening - scene.gaze_y)
        size = person.iris_size
        part.paint(white_hw * part.ellipse(iris_hw, drop_hw, size, size), scaled(person.iris, 0.35))
        part.paint(white_hw * part.ellipse(iris_hw, drop_hw, 0.80 * size, 0.80 * size), person.iris)
        part.paint(white_hw * part.ellipse(iris_hw, drop_hw, 0.42 * size, 0.42 * size), screen(12, 10, 10))
        part.paint(white_hw * bump(iris_hw - 0.012, drop_hw + 0.02, 0.026, 0.026), screen(245, 245, 245))

        part.shade(0.85, line(from_upper_hw, 0.024) * lid_hw)
        part.shade(0.35, line(from_lower_hw, 0.018) * lid_hw)
        part.shade(0.5 * person.eyelid, line(from_upper_hw + 0.045, 0.02) * along_hw)


def paint_brows(canvas: Canvas, person: Person, scene: Nuisance) -> None:
    """A brow over each eye: arched, thinner outwards."""
    height = person.brow_height - scene.brow_raise
    middle = person.eye_spacing + 0.015
    with canvas.part(0.0, height, middle + person.brow_length, 0.13) as part:
        out_hw = (np.abs(part.u_hw) - middle) * (1.0 / person.brow_length)  # −1 at the nose, 1 outside
        bend_hw = (
            person.brow_arch * (1.0 - out_hw * out_hw) + ((person.brow_angle - scene.frown) * person.brow_length) * out_hw
        )
        thick_hw = person.brow_thickness * (1.0 - 0.8 * ramp(out_hw, 0.0, 1.05))
        cover_hw = part.edge(thick_hw - np.abs(part.v_hw - height + bend_hw)) * part.edge((1.05 - np.abs(out_hw)) * 0.2)
        part.paint(cover_hw * person.brow_density, person.brows)


def paint_nose(canvas: Canvas, person: Person, scene: Nuisance) -> None:
    """Nostrils, the shade under the tip and beside the wings and the bridge; the rest is in the head's relief."""
    tip, end = NOSE_STANDS_OUT * scene.turn, person.eye_height + person.nose_length
    width = person.nose_width
    with canvas.part(tip, end + 0.02, width + 0.04, 0.09) as part:
        du_hw, dv_hw = np.abs(part.u_hw - tip), part.v_hw - end
        part.shade(0.42, bump(du_hw, dv_hw - 0.065, width * 1.05, 0.05))
        part.shade(0.50, bump(du_hw - width, dv_hw - 0.005, 0.035, 0.065))
        hole_hw = dv_hw - 0.045
        nostril_hw = bump(du_hw - 0.52 * width + hole_hw * 0.5, hole_hw, 0.36 * width, 0.036)
        part.shade(0.3 + 0.6 * person.nostrils, nostril_hw)
        part.shade(-0.35, bump(du_hw, dv_hw + 0.02, 0.4 * person.nose_tip, 0.4 * person.nose_tip))
    with canvas.part(0.5 * tip, person.eye_height + 0.03, person.nose_bridge + 0.085, 0.14) as root:
        beside_hw = np.abs(root.u_hw - 0.5 * tip) - (person.nose_bridge + 0.035)
        root.shade(0.20, bump(beside_hw, root.v_hw - (person.eye_height + 0.03), 0.05, 0.14))


def paint_mouth(canvas: Canvas, person: Person, scene: Nuisance) -> None:
    """Two lips that meet in a line bent by the smile; teeth and the dark behind them where it is open."""
    height = person.mouth + 0.05 * scene.mouth_open
    half = person.mouth_width * (1.0 + 0.16 * scene.smile) * (1.0 - 0.15 * scene.mouth_open)
    with canvas.part(0.0, height, half, 0.2) as part:
        out_hw = part.u_hw * (1.0 / half)
        squared_hw = out_hw * out_hw
        along_hw = np.maximum(1.0 - squared_hw, 0.0)
        # The corners rise with a smile, and with the person's own lips.
        dv_hw = part.v_hw - height + squared_hw * (0.10 * scene.smile + person.lip_corners)
        gap_hw = along_hw * (0.055 * scene.mouth_open)
        root_hw = np.sqrt(along_hw)
        bow_hw = np.maximum(1.0 - squared_hw * 9.0, 0.0)
        upper_hw = root_hw * (along_hw + 0.25) * (0.8 * person.lip_upper) * (1.0 - (0.35 * person.lip_bow) * bow_hw)
        lower_hw = gap_hw + root_hw * person.lip_lower

        part.shade(0.32, bump(out_hw, dv_hw - lower_hw - 0.045, 0.75, 0.05))
        lips_hw = part.edge(np.minimum(dv_hw + gap_hw + upper_hw, lower_hw - dv_hw)) * (along_hw > 0.0)
        part.paint(lips_hw, person.lips)
        part.shade(0.28, lips_hw * (dv_hw < 0.0))
        part.shade(-0.30, bump(out_hw, dv_hw - gap_hw - 0.5 * person.lip_lower, 0.5, 0.03))
        if scene.mouth_open > 0.0:
            inside_hw = part.edge(gap_hw - np.abs(dv_hw)) * (along_hw > 0.0)
            part.paint(inside_hw, screen(58, 22, 24))
            part.paint(inside_hw * (dv_hw < gap_hw * 0.25) * (squared_hw < 0.64), screen(216, 208, 196))
        part.shade(0.65, line(np.abs(dv_hw) - gap_hw, 0.016) * (along_hw > 0.0))
