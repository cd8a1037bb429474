"""The data set of synthetic people: each image follows from seed, identity and number alone."""

from __future__ import annotations

import hashlib

import pytest
import torch

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import DataPlan
from fedface_learning.data import FaceDataset, ImageSize, open_dataset

SIZE = ImageSize(56, 48, 3)


def opened(identities: int = 5, size: ImageSize = SIZE, **options: int) -> FaceDataset:
    return open_dataset(DataPlan(dataset="synthetic", **options), size, identities)


def test_as_many_identities_as_asked_and_twelve_images_of_each() -> None:
    dataset = opened(3)
    assert dataset.name == "synthetic"
    assert dataset.identities == ("person-000000", "person-000001", "person-000002")
    images = dataset.images("person-000001")
    assert images.dtype == torch.uint8
    assert images.shape == (12, 3, 56, 48)


def test_a_plan_may_say_how_many_people_there_are() -> None:
    plan = DataPlan(dataset="synthetic", identities=9)
    assert open_dataset(plan, SIZE, 3).identities == opened(9).identities


@pytest.mark.parametrize("count", [1, 5, 6, 7, 13])
def test_an_image_is_the_same_whichever_others_are_rendered(count: int) -> None:
    few = opened(2, images_per_identity=count)
    many = opened(100, images_per_identity=14)
    many.images("person-000099")
    assert torch.equal(few.images("person-000001"), many.images("person-000001")[:count])


def test_images_have_the_same_bytes_on_every_machine() -> None:
    """If the renderer is changed on purpose, so is this digest; results of runs on synthetic faces change with it."""
    digest = hashlib.sha256(opened().images("person-000004").numpy().tobytes()).hexdigest()
    assert digest == "60ba4a1aaf5436617387e5b5aa8c6b5e1a1c537f69c5f9e13c4e439eaeb91f99"


def test_other_seeds_are_other_people() -> None:
    assert not torch.equal(opened(seed=0).images("person-000000"), opened(seed=1).images("person-000000"))


def test_all_images_and_people_differ() -> None:
    dataset = opened(4)
    images = torch.cat([dataset.images(identity) for identity in dataset.identities])
    assert len({image.numpy().tobytes() for image in images}) == 48


@pytest.mark.parametrize("size", [ImageSize(20, 20, 1), ImageSize(112, 96, 3), ImageSize(150, 150, 1), ImageSize(40, 90, 3)])
def test_any_resolution_grey_or_rgb(size: ImageSize) -> None:
    images = opened(size=size, images_per_identity=2).images("person-000002")
    assert images.shape == (2, size.channels, size.height, size.width)
    assert images.float().std(dim=(1, 2, 3)).min() > 10  # A picture, not a plain surface.


def test_low_resolution_leaves_only_coarse_detail() -> None:
    sharp = opened(images_per_identity=4).images("person-000000").float()
    coarse = opened(images_per_identity=4, low_resolution=14).images("person-000000").float()
    assert coarse.shape == sharp.shape
    assert coarse.diff(dim=3).abs().mean() < 0.6 * sharp.diff(dim=3).abs().mean()


def test_unknown_identity() -> None:
    with pytest.raises(InvalidInputError, match="'synthetic' has no identity 'person-000005' among its 5"):
        opened(5).images("person-000005")
