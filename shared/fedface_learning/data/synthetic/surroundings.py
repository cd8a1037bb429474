"""The surroundings of the person: the background, the clothes, and a board that hides a part of the face.

Coordinates are in face units. Suffixes of array names: N images, C colours, h×w pixels of a part or of the whole picture.
"""

from __future__ import annotations

import numpy as np

from fedface_learning.data.synthetic.canvas import Canvas, ramp, wave
from fedface_learning.data.synthetic.scene import Scene


def paint_background(canvas: Canvas, scene: Scene) -> None:
    """Paint a gradient between two colours and, in two images of three, stripes or blobs of a third colour on it."""
    x_Nhw = canvas.x_Nhw
    y_Nhw = canvas.y_Nhw
    canvas.colour_NChw += scene.colours_KNC11[0]
    slant_Nhw = x_Nhw * scene.background_angle + y_Nhw
    canvas.paint(ramp(slant_Nhw, -1.3, 1.3), scene.colours_KNC11[1])
    patterned = np.flatnonzero(scene.background > 0.33)
    if len(patterned) == 0:
        return
    slant_Nhw = slant_Nhw[patterned]
    pitch = scene.background_pitch[patterned]
    angle = scene.background_angle[patterned]
    pattern_Nhw = wave((x_Nhw[patterned] - y_Nhw[patterned] * angle) * (0.4 * pitch))
    for image in np.flatnonzero(scene.background[patterned] > 0.67):
        pattern_Nhw[image] *= wave(slant_Nhw[image] * (0.3 * pitch[image]))
    cover_Nhw = ramp(pattern_Nhw, -0.1, 0.6)
    # Each image is painted by itself: to index several by an array would make a copy, and only the copy would be painted.
    for image, cover_hw in zip(patterned, cover_Nhw, strict=True):
        colour_Chw = canvas.colour_NChw[image]
        colour_Chw += (scene.colours_KNC11[2, image] - colour_Chw) * cover_hw


def paint_clothes(canvas: Canvas, scene: Scene) -> None:
    """Paint the shoulders and a collar."""
    lit = (0.7 * scene.ambient + 0.5 * scene.diffuse)[:, None]
    with canvas.part(0.0, 1.7, 1.5, 0.85) as part:
        shoulders_Nhw = part.ellipse(part.u_Nhw, part.v_Nhw - 1.95, 1.35, 0.88)
        part.paint(shoulders_Nhw, scene.colours_KNC11[3] * lit)
        part.paint(
            part.ellipse(part.u_Nhw, part.v_Nhw - 1.05, 0.45, 0.16) * shoulders_Nhw, scene.colours_KNC11[4] * (0.8 * lit)
        )
        part.light(shoulders_Nhw, 1.0)


def paint_occluder(canvas: Canvas, scene: Scene) -> None:
    """Paint a board with a stripe in front of the face in those images whose scene has an occluder."""
    images = np.flatnonzero(scene.occluder)
    if len(images) == 0:
        return
    half = scene.occluder[images]
    angle = scene.occluder_angle[images]
    shape = scene.occluder_shape[images]
    largest = float(half.max())
    with canvas.part(scene.occluder_x, scene.occluder_y, 2.5 * largest, 2.2 * largest, images) as part:
        du_Nhw = part.u_Nhw - scene.occluder_x[images]
        dv_Nhw = part.v_Nhw - scene.occluder_y[images]
        along_Nhw = half * shape - np.abs(du_Nhw + dv_Nhw * angle)
        across_Nhw = np.abs(dv_Nhw - du_Nhw * angle)
        cover_Nhw = part.edge(np.minimum(along_Nhw, half - across_Nhw))
        part.paint(cover_Nhw, scene.colours_KNC11[5][images])
        part.paint(cover_Nhw * part.edge(0.3 * half - across_Nhw), scene.colours_KNC11[6][images])
        part.light(cover_Nhw, 1.0)
