"""What is not the person: the background, the clothes, and what hides a part of the face."""

from __future__ import annotations

import numpy as np

from fedface_core.learning.data.synthetic.canvas import Canvas, ramp, wave
from fedface_core.learning.data.synthetic.draws import scaled
from fedface_core.learning.data.synthetic.nuisance import Nuisance


def paint_background(canvas: Canvas, scene: Nuisance) -> None:
    """A gradient between two colours; over it, in two images of three, stripes or blobs of a third, out of focus."""
    x_hw, y_hw = canvas.x_hw, canvas.y_hw
    canvas.colour_Chw += np.array(scene.colours[0], np.float32)[:, None, None]
    slant_hw = x_hw * scene.backdrop_angle + y_hw
    canvas.paint(ramp(slant_hw, -1.3, 1.3), scene.colours[1])
    if scene.backdrop > 0.33:
        pattern_hw = wave((x_hw - y_hw * scene.backdrop_angle) * (0.4 * scene.backdrop_pitch))
        if scene.backdrop > 0.67:
            pattern_hw = pattern_hw * wave(slant_hw * (0.3 * scene.backdrop_pitch))
        canvas.paint(ramp(pattern_hw, -0.1, 0.6), scene.colours[2])


def paint_clothes(canvas: Canvas, scene: Nuisance) -> None:
    """Shoulders, and a collar."""
    lit = 0.7 * scene.ambient + 0.5 * scene.diffuse
    with canvas.part(0.0, 1.7, 1.5, 0.85) as part:
        shoulders_hw = part.ellipse(part.u_hw, part.v_hw - 1.95, 1.35, 0.88)
        part.paint(shoulders_hw, scaled(scene.colours[3], lit))
        part.paint(part.ellipse(part.u_hw, part.v_hw - 1.05, 0.45, 0.16) * shoulders_hw, scaled(scene.colours[4], 0.8 * lit))
        part.light(shoulders_hw, 1.0)


def paint_patch(canvas: Canvas, scene: Nuisance) -> None:
    """A thing between the camera and the face: a board with a stripe."""
    if scene.patch == 0.0:
        return
    dx_hw, dy_hw = canvas.x_hw - scene.patch_x, canvas.y_hw - scene.patch_y
    along_hw = scene.patch * scene.patch_shape - np.abs(dx_hw + dy_hw * scene.patch_angle)
    across_hw = np.abs(dy_hw - dx_hw * scene.patch_angle)
    cover_hw = canvas.edge(np.minimum(along_hw, scene.patch - across_hw))
    canvas.paint(cover_hw, scene.colours[5])
    canvas.paint(cover_hw * canvas.edge(0.3 * scene.patch - across_hw), scene.colours[6])
    canvas.light(cover_hw, 1.0)
