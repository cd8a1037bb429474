"""The list of damaged images: what is written is read, whatever the names are, and a file of something else is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import DataPlan
from fedface_learning.data.damaged import DamagedImage, damaged_names, without_damaged, write_damaged

NAMES = ["17", "ann/1.jpg", 'a,b/"c".jpg', "line\nbreak/1.jpg", "é/1.jpg"]


def plan(path: Path | None) -> DataPlan:
    return DataPlan(dataset="folder", folder="f", skip_damaged=None if path is None else str(path))


def test_names_come_back_whatever_is_in_them(tmp_path: Path) -> None:
    write_damaged(tmp_path / "damaged.csv", [DamagedImage(name, f"{name}, cut off") for name in NAMES])
    assert damaged_names(plan(tmp_path / "damaged.csv")) == set(NAMES)
    assert damaged_names(plan(None)) == set()


def test_a_list_by_hand_needs_no_reasons(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("3\r\n\r\n4\n")
    assert damaged_names(plan(tmp_path / "mine.csv")) == {"3", "4"}


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (None, r"data\.skip_damaged: there is no file .*damaged\.csv; a list from `fedface data check` was expected"),
        (b"\xff\xfe\x00", r"damaged\.csv is no list of damaged images"),
        (b"x" * 200_000, r"damaged\.csv is no list of damaged images"),
        (b"x,\n" * 6_000_000, r"damaged\.csv has more than 16,777,216 bytes"),
    ],
)
def test_a_list_that_is_none_is_refused(tmp_path: Path, data: bytes | None, complaint: str) -> None:
    if data is not None:
        (tmp_path / "damaged.csv").write_bytes(data)
    with pytest.raises(InvalidInputError, match=complaint):
        damaged_names(plan(tmp_path / "damaged.csv"))


def test_files_are_left_out_by_their_paths_below_the_folder(tmp_path: Path) -> None:
    people = {"ann": [f"ann/{number}.png" for number in range(3)]}
    write_damaged(tmp_path / "damaged.csv", [DamagedImage("ann/1.png", "cut off"), DamagedImage("bob/2.png", "empty")])
    assert without_damaged(people, plan(None)) == people
    assert without_damaged(people, plan(tmp_path / "damaged.csv")) == {"ann": ["ann/0.png", "ann/2.png"]}
