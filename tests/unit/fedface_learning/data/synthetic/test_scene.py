"""Scenes: shapes, types, and draws that do not depend on each other."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from fedface_learning.data.synthetic.draws import generator_for
from fedface_learning.data.synthetic.scene import Scene, draw_scenes


@pytest.fixture(scope="module")
def scene() -> Scene:
    return draw_scenes([generator_for(index) for index in range(300)])


def test_all_values_are_float32_planes_of_one_pixel(scene: Scene) -> None:
    shapes = {entry.name: getattr(scene, entry.name).shape for entry in fields(Scene)}
    assert shapes.pop("colours_KNC11") == (7, 300, 3, 1, 1)
    assert set(shapes.values()) == {(300, 1, 1)}
    assert {getattr(scene, entry.name).dtype for entry in fields(Scene)} == {np.dtype(np.float32)}


def test_an_images_scene_does_not_depend_on_the_others(scene: Scene) -> None:
    alone = draw_scenes([generator_for(123)])
    for entry in fields(Scene):
        index = (slice(None), [123]) if entry.name == "colours_KNC11" else ([123],)
        np.testing.assert_array_equal(getattr(scene, entry.name)[index], getattr(alone, entry.name))


def test_a_smile_is_never_negative(scene: Scene) -> None:
    assert (scene.smile < 0).any()
    np.testing.assert_array_equal(scene.smiling, np.where(scene.smile > 0, scene.smile, 0))


def test_some_images_have_an_occluder_and_colours_are_pale(scene: Scene) -> None:
    assert 0.2 < (scene.occluder > 0).mean() < 0.4
    assert (scene.colours_KNC11.min() >= 0, scene.colours_KNC11.max() <= 1) == (True, True)
    shades = np.sqrt(scene.colours_KNC11)
    assert np.ptp(shades, axis=2).max() <= 0.4 + 1e-6
