"""The renderer: repeatable images, each with its own noise, and layers in their order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fedface_learning.data import ImageSize
from fedface_learning.data.synthetic.draws import generator_for
from fedface_learning.data.synthetic.identity import draw_person
from fedface_learning.data.synthetic.render import render
from fedface_learning.data.synthetic.scene import draw_scenes

SIZE = ImageSize(28, 24, 3)


def rendered(index: int, images: list[int], size: ImageSize = SIZE) -> NDArray[np.uint8]:
    generators = [generator_for(0, index, image) for image in images]
    return render(draw_person(0, index), draw_scenes(generators), size, generators)


def test_images_are_repeated_to_the_byte_and_differ_from_each_other() -> None:
    images_NCHW = rendered(0, [0, 1, 2, 3])
    assert images_NCHW.shape == (4, 3, 28, 24)
    assert images_NCHW.dtype == np.uint8
    np.testing.assert_array_equal(rendered(0, [0, 1, 2, 3]), images_NCHW)
    assert len({image_CHW.tobytes() for image_CHW in images_NCHW}) == 4


def test_noise_is_drawn_by_each_images_own_generator() -> None:
    person = draw_person(0, 0)
    scene = draw_scenes([generator_for(0), generator_for(1)])
    first_NCHW = render(person, scene, SIZE, [generator_for(2), generator_for(3)])
    second_NCHW = render(person, scene, SIZE, [generator_for(2), generator_for(4)])
    np.testing.assert_array_equal(first_NCHW[0], second_NCHW[0])
    assert (first_NCHW[1] != second_NCHW[1]).any()


def test_an_occluder_is_in_front_of_all() -> None:
    scene = draw_scenes([generator_for(0)])
    zero = np.zeros((1, 1, 1), np.float32)
    board = replace(scene, occluder=zero + 0.3, occluder_x=zero, occluder_y=zero, blur=zero, noise=zero)
    images = [render(draw_person(0, index), board, SIZE, [generator_for(1)])[0] for index in range(3)]
    assert all(np.array_equal(image_CHW[:, 14, 12], images[0][:, 14, 12]) for image_CHW in images)
    assert not np.array_equal(images[0], images[1])


def test_a_grey_image_has_one_channel() -> None:
    assert rendered(0, [0], ImageSize(28, 24, 1)).shape == (1, 1, 28, 24)


def test_people_differ_more_than_noise() -> None:
    means = [rendered(index, list(range(12))).mean(axis=0) for index in range(4)]
    differences = [np.abs(one - other).mean() for place, one in enumerate(means) for other in means[:place]]
    assert min(differences) > 5
