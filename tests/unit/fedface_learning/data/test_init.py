"""The plan's data set is opened by its name, at the size of the plan's model."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from pydantic import ValidationError

from fedface_core.domain.plan import DataPlan, Plan
from fedface_learning.data import FaceDataset, ImageSize, open_dataset, open_photographs
from support.recordio import grey_png, with_identities, write_records


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """``folder`` with two images of one person, and ``recordio`` with such a set."""
    (tmp_path / "folder" / "ann").mkdir(parents=True)
    for name in ("1.png", "2.png"):
        Image.new("L", (20, 24), 130).save(tmp_path / "folder" / "ann" / name)
    write_records(tmp_path / "recordio", with_identities([[grey_png(10), grey_png(20)]]))
    return tmp_path


@pytest.mark.parametrize(("name", "identities"), [("orl", 40), ("synthetic", 3), ("folder", 1), ("recordio", 1)])
def test_a_data_set_is_opened_by_its_name(folders: Path, name: str, identities: int) -> None:
    data = {"dataset": name} | ({"folder": str(folders / name)} if name in ("folder", "recordio") else {})
    dataset = open_dataset(DataPlan.model_validate(data), ImageSize(24, 20, 1), identities=3)
    assert dataset.name == name
    assert len(dataset.identities) == identities
    assert dataset.images(dataset.identities[0]).shape[1:] == (1, 24, 20)


def test_a_plan_names_no_other_data_set() -> None:
    with pytest.raises(ValidationError, match="'orl', 'synthetic', 'folder' or 'recordio'"):
        DataPlan.model_validate({"dataset": "lfw"})


def test_a_plans_photographs_have_the_models_size_and_are_as_many_as_its_split_needs() -> None:
    model = {"architecture": "spherenet-4", "height": 28, "width": 24, "channels": 1}
    split = {"public": 1, "clients": 4, "test": 2}
    plan = Plan.model_validate({"model": model, "split": split, "data": {"dataset": "synthetic"}})
    dataset: FaceDataset = open_photographs(plan)
    assert len(dataset.identities) == 7
    assert dataset.images("person-000006").shape == (12, 1, 28, 24)
