"""The renderer: it paints the layers of a picture in the order in which they hide each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fedface_learning.data.dataset import ImageSize
from fedface_learning.data.synthetic.camera import photograph
from fedface_learning.data.synthetic.canvas import Canvas
from fedface_learning.data.synthetic.features import paint_brows, paint_eyes, paint_mouth, paint_nose
from fedface_learning.data.synthetic.hair import paint_beard, paint_hair, paint_hair_behind
from fedface_learning.data.synthetic.head import paint_ears_and_neck, paint_face, paint_skin_details
from fedface_learning.data.synthetic.identity import Person
from fedface_learning.data.synthetic.scene import Scene
from fedface_learning.data.synthetic.surroundings import paint_background, paint_clothes, paint_occluder


def render(
    person: Person, scene: Scene, size: ImageSize, noise_generators: Sequence[np.random.Generator]
) -> NDArray[np.uint8]:
    """Render images (N, C, H, W), uint8, of a person in N scenes.

    ``noise_generators`` has one generator for each image, which draws the camera's noise.
    """
    canvas = Canvas(size, scene)
    paint_background(canvas, scene)
    paint_hair_behind(canvas, person, scene)
    paint_ears_and_neck(canvas, person, scene)
    paint_clothes(canvas, scene)
    paint_face(canvas, person, scene)
    paint_skin_details(canvas, person, scene)
    paint_beard(canvas, person)
    paint_mouth(canvas, person, scene)
    paint_nose(canvas, person, scene)
    paint_eyes(canvas, person, scene)
    paint_brows(canvas, person, scene)
    paint_hair(canvas, person, scene)
    paint_occluder(canvas, scene)
    return photograph(canvas, scene, size.channels, noise_generators)
