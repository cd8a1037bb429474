"""What is not the person: the background, the clothes, and what hides a part of the face."""

from __future__ import annotations

import numpy as np

from fedface_core.learning.data.synthetic.canvas import Canvas, ramp, wave
from fedface_core.learning.data.synthetic.nuisance import Nuisance


def paint_background(canvas: Canvas, scene: Nuisance) -> None:
    """A gradient between two colours; over it, in two images of three, stripes or blobs of a third, out of focus."""
    x_Nhw, y_Nhw = canvas.x_Nhw, canvas.y_Nhw
    canvas.colour_NChw += scene.colours_KNC11[0]
    slant_Nhw = x_Nhw * scene.backdrop_angle + y_Nhw
    canvas.paint(ramp(slant_Nhw, -1.3, 1.3), scene.colours_KNC11[1])
    blobs = (scene.backdrop > 0.67).astype(np.float32)
    stripes_Nhw = wave((x_Nhw - y_Nhw * scene.backdrop_angle) * (0.4 * scene.backdrop_pitch))
    crossed_Nhw = stripes_Nhw * (wave(slant_Nhw * (0.3 * scene.backdrop_pitch)) * blobs + (1.0 - blobs))
    canvas.paint(ramp(crossed_Nhw, -0.1, 0.6) * (scene.backdrop > 0.33), scene.colours_KNC11[2])


def paint_clothes(canvas: Canvas, scene: Nuisance) -> None:
    """Shoulders, and a collar."""
    lit = (0.7 * scene.ambient + 0.5 * scene.diffuse)[:, None]
    with canvas.part(0.0, 1.7, 1.5, 0.85) as part:
        shoulders_Nhw = part.ellipse(part.u_Nhw, part.v_Nhw - 1.95, 1.35, 0.88)
        part.paint(shoulders_Nhw, scene.colours_KNC11[3] * lit)
        part.paint(
            part.ellipse(part.u_Nhw, part.v_Nhw - 1.05, 0.45, 0.16) * shoulders_Nhw, scene.colours_KNC11[4] * (0.8 * lit)
        )
        part.light(shoulders_Nhw, 1.0)


def paint_patch(canvas: Canvas, scene: Nuisance) -> None:
    """A thing before the face in some of the images: a board with a stripe."""
    largest = float(scene.patch.max())
    if largest == 0.0:
        return
    with canvas.part(scene.patch_x, scene.patch_y, 2.5 * largest, 2.2 * largest) as part:
        du_Nhw, dv_Nhw = part.u_Nhw - scene.patch_x, part.v_Nhw - scene.patch_y
        along_Nhw = scene.patch * scene.patch_shape - np.abs(du_Nhw + dv_Nhw * scene.patch_angle)
        across_Nhw = np.abs(dv_Nhw - du_Nhw * scene.patch_angle)
        cover_Nhw = part.edge(np.minimum(along_Nhw, scene.patch - across_Nhw)) * (scene.patch > 0.0)
        part.paint(cover_Nhw, scene.colours_KNC11[5])
        part.paint(cover_Nhw * part.edge(0.3 * scene.patch - across_Nhw), scene.colours_KNC11[6])
        part.light(cover_Nhw, 1.0)
