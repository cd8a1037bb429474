"""The hair: who has it, and where it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedface_learning.data import ImageSize
from fedface_learning.data.synthetic.canvas import Canvas
from fedface_learning.data.synthetic.hair import paint_beard, paint_hair, paint_hair_behind
from fedface_learning.data.synthetic.identity import Person
from fedface_learning.data.synthetic.scene import Scene

SIZE = ImageSize(112, 96, 3)


def covered(canvas: Canvas, colour: tuple[float, ...]) -> NDArray[np.bool_]:
    """The pixels that have this colour and nothing else."""
    same_Nhw: NDArray[np.bool_] = np.isclose(canvas.colour_NChw, np.array(colour).reshape(1, 3, 1, 1), atol=1e-3).all(axis=1)
    return same_Nhw


def test_hair_begins_at_the_hairline_and_reaches_above_the_head(frontal: Scene, person: Person) -> None:
    canvas = Canvas(SIZE, frontal)
    paint_hair(canvas, person, frontal)
    hair_Nhw = covered(canvas, person.hair)
    middle_Nhw = hair_Nhw & (np.abs(canvas.u_Nhw) < 0.1)
    assert canvas.v_Nhw[middle_Nhw].max() < person.hairline + person.hairline_peak + 0.1
    assert canvas.v_Nhw[middle_Nhw].min() < -person.head_height
    assert not hair_Nhw[canvas.v_Nhw > 0.1].any()  # Short hair ends in front of the ears.


def test_long_hair_falls_to_its_length(frontal: Scene, person: Person) -> None:
    long_haired = replace(person, hair_length=0.9)
    canvas = Canvas(SIZE, frontal)
    paint_hair(canvas, long_haired, frontal)
    lowest = canvas.v_Nhw[covered(canvas, person.hair)].max()
    assert 0.8 < lowest < 0.9


def test_nobody_with_short_hair_has_hair_behind_the_neck(frontal: Scene, person: Person) -> None:
    canvas = Canvas(SIZE, frontal)
    paint_hair_behind(canvas, person, frontal)
    assert not canvas.colour_NChw.any()
    paint_hair_behind(canvas, replace(person, hair_length=0.9), frontal)
    assert covered(canvas, person.hair).any()


def test_the_bald_have_no_hair_above_the_forehead(frontal: Scene, person: Person) -> None:
    canvas = Canvas(SIZE, frontal)
    paint_hair(canvas, replace(person, bald=1.0), frontal)
    hair_Nhw = covered(canvas, person.hair)
    assert not hair_Nhw[np.abs(canvas.u_Nhw) < 0.5 * person.head_width].any()


def test_a_beard_is_on_the_chin_and_a_moustache_above_the_mouth(frontal: Scene, person: Person) -> None:
    def painted_v(somebody: Person) -> NDArray[np.floating[Any]]:
        """The v of all pixels that are painted."""
        canvas = Canvas(SIZE, frontal)
        paint_beard(canvas, somebody)
        return np.asarray(canvas.v_Nhw[(canvas.colour_NChw != 0).any(axis=1)])

    assert len(painted_v(person)) == 0
    beard_v = painted_v(replace(person, beard=0.9))
    assert beard_v.min() > 0.0
    assert beard_v.max() > person.chin_length - 0.05
    moustache_v = painted_v(replace(person, moustache=0.9))
    assert (np.abs(moustache_v - person.mouth) < 0.2).all()
