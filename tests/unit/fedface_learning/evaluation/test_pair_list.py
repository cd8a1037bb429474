"""Folds and people of any list of pairs."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.evaluation.pair_list import PairList


def opened(tmp_path: Path, lines: list[str]) -> PairList:
    (tmp_path / "list.txt").write_text("\n".join(lines))
    return PairList.open(tmp_path / "list.txt", tmp_path)


def paths(genuine: int, impostor: int, place: str = "{0}/{1}.jpg") -> list[str]:
    """Genuine pairs of people 0, 1, 2 …, then impostor pairs of each and the next."""
    lines = [f"{place.format(person, 1)} {place.format(person, 2)} 1" for person in range(genuine)]
    return lines + [f"{place.format(person, 1)} {place.format(person + 1, 1)} 0" for person in range(impostor)]


def test_each_fold_has_its_share_of_consecutive_pairs_of_each_kind(tmp_path: Path) -> None:
    found = opened(tmp_path, paths(21, 10)).pairs
    genuine = [0, *(fold for fold in range(10) for _ in (0, 1))]  # the first fold has one more
    assert found.fold_P.tolist() == [*genuine, *range(10)]


def test_the_folds_of_genuine_pairs_may_be_given(tmp_path: Path) -> None:
    lines = [f"P{pair}_{side}.jpg {label}" for pair, label in enumerate((2, 1, 0, 0, 1, 0)) for side in (1, 2)]
    found = opened(tmp_path, lines).pairs
    assert found.fold_P.tolist() == [1, 0, 0, 0, 0, 1]
    assert found.genuine_P.tolist() == [True, True, False, False, True, False]


@pytest.mark.parametrize(
    ("genuine", "impostor", "few"), [(9, 10, "9 genuine"), (10, 9, "9 impostor"), (10, 0, "0 impostor")]
)
def test_fewer_pairs_than_folds_are_refused(tmp_path: Path, genuine: int, impostor: int, few: str) -> None:
    with pytest.raises(InvalidInputError) as error:
        opened(tmp_path, paths(genuine, impostor))
    assert str(error.value) == (
        f"{tmp_path}/list.txt has {few} pairs; 10 folds need at least 10 genuine and 10 impostor pairs"
    )


@pytest.mark.parametrize("place", ["{0}/{1}.jpg", "all/P{0}_{1}.jpg", "P{0}_{1}.png", "P{0}_{1}"])
def test_people_are_known_by_folder_or_by_name(tmp_path: Path, place: str) -> None:
    found = opened(tmp_path, paths(10, 10, place))
    assert found.pairs.people_P2 is not None
    assert found.pairs.people_P2[:10].tolist() == [[person, person] for person in range(10)]
    assert found.pairs.people_P2[10:].tolist() == [[person, person + 1] for person in range(10)]
    assert found.notes == ["the list was read as path, path, label"]


@pytest.mark.parametrize("place", ["all/{0}-{1}.jpg", "{0}/same_{1}.jpg"])
def test_people_are_unknown_if_a_label_contradicts_the_names(tmp_path: Path, place: str) -> None:
    lines = paths(10, 10, place)
    lines[0] = lines[0].removesuffix("1") + "0"
    found = opened(tmp_path, [*lines, lines[1]])
    assert found.pairs.people_P2 is None
    assert found.notes[1:] == [
        "no intervals: the names of the images do not say who is in them, so people cannot be resampled"
    ]
