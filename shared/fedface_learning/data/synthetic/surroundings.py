"""What is not the person: the background, the clothes, and what hides a part of the face."""

from __future__ import annotations

import numpy as np

from fedface_learning.data.synthetic.canvas import Canvas, ramp, wave
from fedface_learning.data.synthetic.nuisance import Nuisance


def paint_background(canvas: Canvas, scene: Nuisance) -> None:
    """A gradient between two colours; over it, in two images of three, stripes or blobs of a third, out of focus."""
    x_Nhw, y_Nhw = canvas.x_Nhw, canvas.y_Nhw
    canvas.colour_NChw += scene.colours_KNC11[0]
    slant_Nhw = x_Nhw * scene.backdrop_angle + y_Nhw
    canvas.paint(ramp(slant_Nhw, -1.3, 1.3), scene.colours_KNC11[1])
    patterned = np.flatnonzero(scene.backdrop > 0.33)
    if len(patterned) == 0:
        return
    x_Nhw, y_Nhw, slant_Nhw = x_Nhw[patterned], y_Nhw[patterned], slant_Nhw[patterned]
    pitch, angle = scene.backdrop_pitch[patterned], scene.backdrop_angle[patterned]
    pattern_Nhw = wave((x_Nhw - y_Nhw * angle) * (0.4 * pitch))
    for image in np.flatnonzero(scene.backdrop[patterned] > 0.67):
        pattern_Nhw[image] *= wave(slant_Nhw[image] * (0.3 * pitch[image]))
    cover_Nhw = ramp(pattern_Nhw, -0.1, 0.6)
    # Image by image: a selection would be copied, and the copy be painted.
    for image, cover_hw in zip(patterned, cover_Nhw, strict=True):
        colour_Chw = canvas.colour_NChw[image]
        colour_Chw += (scene.colours_KNC11[2, image] - colour_Chw) * cover_hw


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
    hidden = np.flatnonzero(scene.patch)
    if len(hidden) == 0:
        return
    half, angle, shape = scene.patch[hidden], scene.patch_angle[hidden], scene.patch_shape[hidden]
    largest = float(half.max())
    with canvas.part(scene.patch_x, scene.patch_y, 2.5 * largest, 2.2 * largest, hidden) as part:
        du_Nhw, dv_Nhw = part.u_Nhw - scene.patch_x[hidden], part.v_Nhw - scene.patch_y[hidden]
        along_Nhw = half * shape - np.abs(du_Nhw + dv_Nhw * angle)
        across_Nhw = np.abs(dv_Nhw - du_Nhw * angle)
        cover_Nhw = part.edge(np.minimum(along_Nhw, half - across_Nhw))
        part.paint(cover_Nhw, scene.colours_KNC11[5][hidden])
        part.paint(cover_Nhw * part.edge(0.3 * half - across_Nhw), scene.colours_KNC11[6][hidden])
        part.light(cover_Nhw, 1.0)
