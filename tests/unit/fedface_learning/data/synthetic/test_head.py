"""The head: its outline, the light on it, and what is painted where."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fedface_learning.data import ImageSize
from fedface_learning.data.synthetic.canvas import Canvas
from fedface_learning.data.synthetic.head import outline_depth, paint_ears_and_neck, paint_face, paint_skin_details
from fedface_learning.data.synthetic.identity import Person
from fedface_learning.data.synthetic.scene import Plane, Scene

SIZE = ImageSize(112, 96, 3)


def depth_at(person: Person, u: float, v: float, wider: float = 0.0, higher: float = 0.0) -> float:
    return outline_depth(person, np.full((1, 1, 1), u), np.full((1, 1, 1), v), wider, higher).item()


def one_pixel(value: float) -> Plane:
    return np.full((2, 1, 1), value, np.float32)


@pytest.mark.parametrize("jaw_square", [0.05, 0.7])
def test_the_outline_goes_through_chin_crown_and_sides(person: Person, jaw_square: float) -> None:
    person = replace(person, jaw_square=jaw_square)
    for u, v in [(0, person.chin_length), (0, -person.head_height), (person.head_width, 0.04), (-person.head_width, 0.04)]:
        assert depth_at(person, u, v) == pytest.approx(0.0, abs=1e-6)
        assert depth_at(person, 0.98 * u, 0.98 * v) > 0 > depth_at(person, 1.02 * u, 1.02 * v)


def test_a_wider_and_higher_outline_moves_its_sides_and_its_crown(person: Person) -> None:
    assert depth_at(person, person.head_width + 0.1, 0.04, wider=0.1) == pytest.approx(0.0, abs=1e-6)
    assert depth_at(person, 0.0, -person.head_height - 0.1, higher=0.1) == pytest.approx(0.0, abs=1e-6)
    assert depth_at(person, 0.0, person.chin_length, higher=0.1) == pytest.approx(0.0, abs=1e-6)


def test_light_from_one_side_brightens_that_side_of_the_face(frontal: Scene, person: Person) -> None:
    canvas = Canvas(SIZE, replace(frontal, light_x=one_pixel(1.0)))
    paint_face(canvas, person, replace(frontal, light_x=one_pixel(1.0)))
    right_Nhw = canvas.light_Nhw[:, :, ::-1]
    cheek = (np.abs(canvas.v_Nhw) < 0.3) & (canvas.u_Nhw < -0.2) & (canvas.u_Nhw > -0.5)
    assert (right_Nhw[cheek] > 1.1 * canvas.light_Nhw[cheek]).all()


def test_the_face_is_skin_inside_its_outline_only(frontal: Scene, person: Person) -> None:
    canvas = Canvas(SIZE, frontal)
    paint_face(canvas, person, frontal)
    depth_Nhw = outline_depth(person, canvas.u_Nhw, canvas.v_Nhw)
    inside_NC = canvas.colour_NChw.transpose(0, 2, 3, 1)[depth_Nhw > canvas.pixel]
    np.testing.assert_allclose(inside_NC, np.broadcast_to(person.skin, inside_NC.shape), rtol=1e-5)
    assert not canvas.colour_NChw.transpose(0, 2, 3, 1)[depth_Nhw < -canvas.pixel].any()


def test_long_hair_hides_the_ears(frontal: Scene, person: Person) -> None:
    with_ears = Canvas(SIZE, frontal)
    without = Canvas(SIZE, frontal)
    paint_ears_and_neck(with_ears, person, frontal)
    paint_ears_and_neck(without, replace(person, hair_length=1.0), frontal)
    changed_Nhw = (with_ears.colour_NChw != without.colour_NChw).any(axis=1)
    assert changed_Nhw.any()
    assert (np.abs(with_ears.u_Nhw[changed_Nhw]) > 0.75 * person.head_width).all()


def test_moles_are_dark_spots_and_blush_is_red(frontal: Scene, person: Person) -> None:
    person = replace(person, age=0.0, cheek_blush=0.0, spots=((0.5, 0.5, 1.0),) * 26)
    plain = Canvas(SIZE, frontal)
    mole = Canvas(SIZE, frontal)
    blush = Canvas(SIZE, frontal)
    for canvas, somebody in ((plain, person), (mole, replace(person, moles=1.0)), (blush, replace(person, cheek_blush=0.5))):
        paint_face(canvas, somebody, frontal)
        paint_skin_details(canvas, somebody, frontal)
    darker_Nhw = mole.light_Nhw < plain.light_Nhw
    assert 0 < darker_Nhw.sum() < 0.01 * darker_Nhw.size
    assert (mole.light_Nhw >= 0).all()
    np.testing.assert_array_equal(mole.colour_NChw, plain.colour_NChw)
    np.testing.assert_array_equal(blush.colour_NChw[:, 0], plain.colour_NChw[:, 0])
    assert blush.colour_NChw[:, 1:].sum() < plain.colour_NChw[:, 1:].sum()
