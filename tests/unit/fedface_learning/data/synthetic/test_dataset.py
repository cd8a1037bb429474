"""Synthetic people: each image follows from (seed, identity, image) alone."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest
import torch

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import DataPlan
from fedface_learning.data import FaceDataset, ImageSize, open_dataset
from fedface_learning.data.contact_sheet import contact_sheet
from fedface_learning.data.framing import to_tensor

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
    few, many = opened(2, images_per_identity=count), opened(100, images_per_identity=14)
    many.images("person-000099")
    assert torch.equal(few.images("person-000001"), many.images("person-000001")[:count])


ELSEWHERE = """
import hashlib
from fedface_core.domain.plan import DataPlan
from fedface_learning.data import ImageSize, open_dataset
images = open_dataset(DataPlan(dataset="synthetic"), ImageSize(56, 48, 3), 5).images("person-000004")
print(hashlib.sha256(images.numpy().tobytes()).hexdigest())
"""


def test_another_process_renders_the_same_bytes() -> None:
    other = subprocess.run([sys.executable, "-c", ELSEWHERE], capture_output=True, text=True, check=True).stdout.strip()
    assert other == hashlib.sha256(opened().images("person-000004").numpy().tobytes()).hexdigest()


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
    assert images.float().std(dim=(1, 2, 3)).min() > 10  # a picture, not a blank


def test_grey_is_the_weighted_sum_of_the_colours() -> None:
    red, green, blue = opened(seed=2, images_per_identity=1).images("person-000000")[0].float()
    grey = opened(size=ImageSize(56, 48, 1), seed=2, images_per_identity=1).images("person-000000")[0, 0].float()
    # Clipping to 0…255 comes after the sum, so bright pixels may differ.
    assert (0.299 * red + 0.587 * green + 0.114 * blue - grey).abs().mean() < 2.0


def test_low_resolution_leaves_only_coarse_detail() -> None:
    sharp = opened(images_per_identity=4).images("person-000000").float()
    coarse = opened(images_per_identity=4, low_resolution=14).images("person-000000").float()
    assert coarse.shape == sharp.shape
    assert coarse.diff(dim=3).abs().mean() < 0.6 * sharp.diff(dim=3).abs().mean()


def test_unknown_identity() -> None:
    with pytest.raises(InvalidInputError, match="'synthetic' has no identity 'person-000005' among its 5"):
        opened(5).images("person-000005")


def test_contact_sheet_has_a_row_for_each_identity_and_a_column_for_each_image() -> None:
    dataset = opened(4)
    sheet = contact_sheet(dataset, dataset.identities[:3], 5)
    smaller = contact_sheet(dataset, dataset.identities[:2], 4)
    assert (sheet.width - smaller.width, sheet.height - smaller.height) == (48 + 3, 56 + 3)
    last = to_tensor(sheet.crop((sheet.width - 51, sheet.height - 59, sheet.width - 3, sheet.height - 3)))
    assert torch.equal(last, dataset.images(dataset.identities[2])[4])
