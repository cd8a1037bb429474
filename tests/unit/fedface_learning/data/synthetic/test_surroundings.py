"""The surroundings: the background behind all, the clothes below, and the board in front of some faces."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fedface_learning.data import ImageSize
from fedface_learning.data.synthetic.canvas import Canvas
from fedface_learning.data.synthetic.draws import generator_for
from fedface_learning.data.synthetic.scene import Plane, Scene, draw_scenes
from fedface_learning.data.synthetic.surroundings import paint_background, paint_clothes, paint_occluder

SIZE = ImageSize(56, 48, 3)


@pytest.fixture
def scene() -> Scene:
    """Three images: a plain background, stripes, blobs; the second and the third have a board."""
    scene = draw_scenes([generator_for(index) for index in range(3)])
    return replace(scene, background=planes(0.1, 0.5, 0.9), occluder=planes(0.0, 0.2, 0.3))


def planes(*values: float) -> Plane:
    return np.array(values, np.float32).reshape(-1, 1, 1)


def test_the_background_fills_the_picture_with_mixtures_of_its_colours(scene: Scene) -> None:
    canvas = Canvas(SIZE, scene)
    paint_background(canvas, scene)
    low_NC11 = scene.colours_KNC11[:3].min(axis=0)
    high_NC11 = scene.colours_KNC11[:3].max(axis=0)
    assert (canvas.colour_NChw >= low_NC11 - 1e-6).all()
    assert (canvas.colour_NChw <= high_NC11 + 1e-6).all()


def test_only_patterns_have_the_third_colour(scene: Scene) -> None:
    painted = []
    for third in (0.0, 1.0):
        colours_KNC11 = scene.colours_KNC11.copy()
        colours_KNC11[2] = third
        canvas = Canvas(SIZE, scene)
        paint_background(canvas, replace(scene, colours_KNC11=colours_KNC11))
        painted.append(canvas.colour_NChw)
    changed_N = (painted[0] != painted[1]).any(axis=1).mean(axis=(1, 2))
    assert changed_N[0] == 0
    assert (changed_N[1:] > 0).all()
    assert (changed_N[1:] < 1).all()


def test_without_a_pattern_there_is_a_gradient_only(scene: Scene) -> None:
    canvas = Canvas(SIZE, scene)
    paint_background(canvas, replace(scene, background=planes(0.0, 0.2, 0.33)))
    assert np.isfinite(canvas.colour_NChw).all()


def test_clothes_are_below_the_face(scene: Scene) -> None:
    canvas = Canvas(SIZE, scene)
    paint_clothes(canvas, scene)
    touched_Nhw = canvas.colour_NChw.any(axis=1)
    assert touched_Nhw.any()
    assert canvas.v_Nhw[touched_Nhw].min() > 0.85


def test_the_board_is_in_front_of_some_faces_only_and_has_its_size(scene: Scene) -> None:
    canvas = Canvas(SIZE, replace(scene, scale=planes(1, 1, 1)))
    paint_occluder(canvas, replace(scene, occluder_x=planes(0, 0, 0), occluder_y=planes(0, 0, 0), turn=planes(0, 0, 0)))
    area_N = canvas.colour_NChw.any(axis=1).mean(axis=(1, 2))
    assert area_N[0] == 0
    assert 0 < area_N[1] < area_N[2] < 0.6


def test_without_a_board_nothing_is_painted(scene: Scene) -> None:
    canvas = Canvas(SIZE, scene)
    paint_occluder(canvas, replace(scene, occluder=planes(0, 0, 0)))
    assert not canvas.colour_NChw.any()
