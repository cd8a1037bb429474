"""The canvas: where on the face a pixel lies, what of it a shape covers, and parts that paint as the whole does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fedface_learning.data import ImageSize
from fedface_learning.data.synthetic.canvas import Canvas, bowl, bump, line, ramp, wave
from fedface_learning.data.synthetic.draws import generator_for
from fedface_learning.data.synthetic.scene import Scene, draw_scenes

SIZE = ImageSize(56, 48, 3)


@pytest.fixture
def scene() -> Scene:
    return draw_scenes([generator_for(index) for index in range(4)])


def test_a_frontal_face_is_upright_and_in_the_middle(frontal: Scene) -> None:
    canvas = Canvas(SIZE, frontal)
    np.testing.assert_allclose(canvas.u_Nhw, -canvas.u_Nhw[:, :, ::-1], atol=1e-6)
    np.testing.assert_allclose(canvas.v_Nhw, -canvas.v_Nhw[:, ::-1], atol=1e-6)
    np.testing.assert_allclose(np.diff(canvas.u_Nhw, axis=2), canvas.pixel[0, 0, 0], rtol=1e-4)
    assert canvas.v_Nhw.max() == pytest.approx(1.22 * 55 / 56, rel=1e-5)


def test_a_turn_moves_the_middle_of_the_face_and_leaves_the_outline(frontal: Scene) -> None:
    turned = Canvas(SIZE, replace(frontal, turn=np.full((2, 1, 1), 0.3, np.float32)))
    canvas = Canvas(SIZE, frontal)
    moved_Nhw = canvas.u_Nhw - turned.u_Nhw
    assert moved_Nhw.max() == pytest.approx(0.3 * 0.86, rel=0.01)
    assert moved_Nhw[:, 0].max() == moved_Nhw[:, :, 0].max() == 0
    np.testing.assert_array_equal(turned.v_Nhw, canvas.v_Nhw)


@pytest.mark.parametrize(("u", "v", "across", "down"), [(0.0, 0.0, 0.2, 0.3), (-0.5, 0.4, 0.15, 0.1), (0.9, -0.9, 0.3, 0.3)])
def test_a_part_has_all_pixels_of_its_box(scene: Scene, u: float, v: float, across: float, down: float) -> None:
    """Whatever is painted in the box through a part is what would be painted through the whole canvas."""
    whole = Canvas(SIZE, scene)
    parted = Canvas(SIZE, scene)
    inside_Nhw = (np.abs(whole.u_Nhw - u) < across) & (np.abs(whole.v_Nhw - v) < down)
    whole.paint(inside_Nhw.astype(np.float32), (0.2, 0.5, 0.9))
    whole.shade(0.5, inside_Nhw.astype(np.float32))
    with parted.part(u, v, across, down) as part:
        inside_Nhw = (np.abs(part.u_Nhw - u) < across) & (np.abs(part.v_Nhw - v) < down)
        part.paint(inside_Nhw.astype(np.float32), (0.2, 0.5, 0.9))
        part.shade(0.5, inside_Nhw.astype(np.float32))
        assert part.u_Nhw.size < 0.7 * whole.u_Nhw.size
    np.testing.assert_array_equal(parted.colour_NChw, whole.colour_NChw)
    np.testing.assert_array_equal(parted.light_Nhw, whole.light_Nhw)


def test_a_part_of_some_images_leaves_the_others_alone(scene: Scene) -> None:
    canvas = Canvas(SIZE, scene)
    with canvas.part(0.0, 0.0, 0.3, 0.3, np.array([1, 3])) as part:
        assert len(part.u_Nhw) == 2
        part.light(np.ones_like(part.u_Nhw), 0.25)
    assert [bool((light_hw != 1.0).any()) for light_hw in canvas.light_Nhw] == [False, True, False, True]


def test_colours_and_light_change_as_far_as_a_pixel_is_covered(frontal: Scene) -> None:
    canvas = Canvas(SIZE, frontal)
    quarter_Nhw = np.full_like(canvas.u_Nhw, 0.25)
    canvas.paint(quarter_Nhw, (0.4, 0.8, 0.0))
    canvas.light(quarter_Nhw, 2.0)
    canvas.shade(0.4, quarter_Nhw)
    np.testing.assert_allclose(canvas.colour_NChw[0, :, 9, 9], [0.1, 0.2, 0.0], rtol=1e-6)
    np.testing.assert_allclose(canvas.light_Nhw, 1.25 * 0.9, rtol=1e-6)


def test_an_ellipse_covers_its_area(frontal: Scene) -> None:
    canvas = Canvas(ImageSize(112, 96, 3), frontal)
    cover_Nhw = canvas.ellipse(canvas.u_Nhw, canvas.v_Nhw, 0.5, 0.7)
    area = cover_Nhw[0].sum() * canvas.pixel[0, 0, 0] ** 2
    assert area == pytest.approx(np.pi * 0.5 * 0.7, rel=0.02)


def test_profiles_have_their_values_at_their_ends() -> None:
    at = np.array([[[-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0]]], np.float32)
    zero = np.zeros_like(at)
    assert bowl(at, zero, 1.0, 3.0).ravel().tolist() == [0.0, 0.0, 0.75, 1.0, 0.75, 0.0, 0.0]
    assert bowl(zero, at, 3.0, 2.0).ravel()[-2:].tolist() == [0.75, 0.0]
    assert bump(at, zero, 1.0, 3.0).ravel().tolist() == [0.0, 0.0, 0.5625, 1.0, 0.5625, 0.0, 0.0]
    assert line(at, 1.0).ravel().tolist() == [0.0, 0.0, 0.5, 1.0, 0.5, 0.0, 0.0]
    assert ramp(at, -1.0, 1.0).ravel().tolist() == [0.0, 0.0, 0.15625, 0.5, 0.84375, 1.0, 1.0]
    assert wave(at / 2).ravel().tolist() == [0.0, 0.0, 1.0, 0.0, -1.0, 0.0, 0.0]
