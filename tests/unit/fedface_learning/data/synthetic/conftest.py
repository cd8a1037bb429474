"""A plain scene and a plain person, of which a test changes what it is about."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fedface_learning.data.synthetic.draws import generator_for
from fedface_learning.data.synthetic.identity import Person, draw_person
from fedface_learning.data.synthetic.scene import Scene, draw_scenes


@pytest.fixture
def frontal() -> Scene:
    """Two images of a face that looks straight ahead, in even light, in the middle of the picture."""
    scene = draw_scenes([generator_for(index) for index in range(2)])
    pose = ("turn", "nod", "roll", "shift_x", "shift_y")
    expression = ("smile", "mouth_open", "brow_raise", "frown", "gaze_x", "gaze_y")
    zeros = (*pose, *expression, "light_x", "light_y", "hair_dishevelled", "occluder")
    zero = np.zeros((2, 1, 1), np.float32)
    one = np.ones((2, 1, 1), np.float32)
    return replace(scene, **dict.fromkeys(zeros, zero), scale=one, eyes_open=one, ambient=0.5 * one, diffuse=0.5 * one)


@pytest.fixture
def person() -> Person:
    """Somebody with short hair, without beard, freckles and moles."""
    return replace(draw_person(0, 3), hair_length=0.0, bald=0.0, beard=0.0, moustache=0.0, freckles=0.0, moles=0.0)
