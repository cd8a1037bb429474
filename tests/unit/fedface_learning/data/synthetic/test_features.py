"""The features of the face: each is painted at its place, and moves with the expression."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from fedface_learning.data import ImageSize
from fedface_learning.data.synthetic.canvas import Canvas
from fedface_learning.data.synthetic.features import paint_brows, paint_eyes, paint_mouth, paint_nose
from fedface_learning.data.synthetic.identity import Person
from fedface_learning.data.synthetic.scene import Plane, Scene

SIZE = ImageSize(112, 96, 3)
Paint = Callable[[Canvas, Person, Scene], None]


def one_pixel(value: float) -> Plane:
    return np.full((2, 1, 1), value, np.float32)


def painted(paint: Paint, person: Person, scene: Scene, size: ImageSize = SIZE, **changes: float) -> Canvas:
    """A feature on white skin, in a scene with these changes."""
    scene = replace(scene, **{name: one_pixel(value) for name, value in changes.items()})
    canvas = Canvas(size, scene)
    canvas.paint(np.ones_like(canvas.u_Nhw), (1.0, 1.0, 1.0))
    paint(canvas, person, scene)
    return canvas


def touched(canvas: Canvas) -> NDArray[np.bool_]:
    touched_Nhw: NDArray[np.bool_] = (canvas.colour_NChw != 1.0).any(axis=1) | (canvas.light_Nhw != 1.0)
    return touched_Nhw


@pytest.mark.parametrize("paint", [paint_eyes, paint_brows, paint_nose, paint_mouth])
def test_a_frontal_feature_is_symmetric(frontal: Scene, person: Person, paint: Paint) -> None:
    canvas = painted(paint, person, frontal)
    assert touched(canvas).any()
    if paint is not paint_eyes:  # Both eyes have their highlight on one side.
        np.testing.assert_allclose(canvas.light_Nhw, canvas.light_Nhw[:, :, ::-1], atol=1e-4)
        np.testing.assert_allclose(canvas.colour_NChw, canvas.colour_NChw[..., ::-1], atol=1e-4)


@pytest.mark.parametrize(
    ("paint", "height"),
    [
        (paint_eyes, lambda person: person.eye_height),
        (paint_brows, lambda person: person.brow_height),
        (paint_nose, lambda person: person.eye_height + person.nose_length),
        (paint_mouth, lambda person: person.mouth),
    ],
)
def test_a_feature_is_at_its_height(frontal: Scene, person: Person, paint: Paint, height: Callable[[Person], float]) -> None:
    canvas = painted(paint, person, frontal)
    change_Nhw = np.abs(1.0 - canvas.colour_NChw).sum(axis=1) + np.abs(1.0 - canvas.light_Nhw)
    mean_v = (change_Nhw * canvas.v_Nhw).sum() / change_Nhw.sum()
    assert mean_v == pytest.approx(height(person), abs=0.08)


def test_the_eyes_look_where_the_gaze_goes(frontal: Scene, person: Person) -> None:
    person = replace(person, iris_tone=0.0, iris_hue=0.0, skin_tone=0.0)  # A light iris, so that only the pupil is dark.

    def pupil(gaze: float, side: int) -> float:
        canvas = painted(paint_eyes, person, frontal, ImageSize(448, 384, 3), gaze_x=gaze)
        dark_Nhw = (canvas.colour_NChw.sum(axis=1) < 0.1) & (side * canvas.u_Nhw > 0)
        return float(canvas.u_Nhw[dark_Nhw].mean())

    for side in (-1, 1):
        assert pupil(0.0, side) == pytest.approx(side * person.eye_spacing, abs=0.01)
        assert pupil(0.03, side) - pupil(0.0, side) == pytest.approx(0.03, abs=0.01)


def test_raised_brows_are_higher(frontal: Scene, person: Person) -> None:
    plain_Nhw = touched(painted(paint_brows, person, frontal))
    raised = painted(paint_brows, person, frontal, brow_raise=0.05)
    difference = raised.v_Nhw[plain_Nhw].mean() - raised.v_Nhw[touched(raised)].mean()
    assert difference == pytest.approx(0.05, abs=0.02)


def test_an_open_mouth_shows_the_dark_and_a_smile_lifts_the_corners(frontal: Scene, person: Person) -> None:
    closed = painted(paint_mouth, person, frontal)
    opened = painted(paint_mouth, person, frontal, mouth_open=1.0)
    smiling = painted(paint_mouth, person, frontal, smile=1.0)
    assert (opened.colour_NChw.sum(axis=1) < 0.15).sum() > (closed.colour_NChw.sum(axis=1) < 0.15).sum()

    def corners(canvas: Canvas) -> float:
        lips_Nhw = (canvas.colour_NChw != 1.0).any(axis=1)
        ends_Nhw = lips_Nhw & (np.abs(canvas.u_Nhw) > 0.8 * np.abs(canvas.u_Nhw[lips_Nhw]).max())
        return float(canvas.v_Nhw[ends_Nhw].mean())

    assert corners(smiling) < corners(closed) - 0.03
