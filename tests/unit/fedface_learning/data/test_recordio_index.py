"""The index of a RecordIO file: read line by line, however long, or made from what a scan found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.data import recordio_index
from fedface_learning.data.recordio_index import read_index, scanned_index


def test_records_are_sorted_by_number_and_keep_their_bytes(tmp_path: Path) -> None:
    (tmp_path / "train.idx").write_bytes(b"5\t80\r\n0 0\n3\t40")
    index = read_index(tmp_path / "train.idx")
    assert (list(index.numbers), list(index.offsets)) == ([0, 3, 5], [0, 40, 80])
    assert list(read_index(tmp_path / "train.idx", {3, 9}).numbers) == [0, 5]


@pytest.mark.parametrize("piece", [1, 7, 64, 1000])
def test_pieces_of_any_size_give_the_same_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    numbers = np.random.default_rng(0).permutation(200)
    (tmp_path / "train.idx").write_text("".join(f"{number}\t{8 * number}\n" for number in numbers))
    monkeypatch.setattr(recordio_index, "PIECE_BYTES", piece)
    index = read_index(tmp_path / "train.idx")
    assert list(index.numbers) == list(range(200))
    assert list(index.offsets) == list(range(0, 1600, 8))


def test_a_wrong_line_is_named_whichever_piece_it_is_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordio_index, "PIECE_BYTES", 16)
    (tmp_path / "train.idx").write_text("".join(f"{number}\t0\n" for number in range(50)) + "50\n")
    with pytest.raises(InvalidInputError, match=r"train\.idx, line 51: .* not '50'"):
        read_index(tmp_path / "train.idx")


@pytest.mark.parametrize(
    ("index", "complaint"),
    [
        ("", r"train\.idx is empty: a line for each record was expected; without the file"),
        ("0\t0\n1\n", r"train\.idx, line 2: a record's number and its byte were expected, not '1'"),
        ("zero\t0\n", r"train\.idx, line 1: .* not 'zero\t0'"),
        ("0\t-8\n", r"train\.idx, line 1: a record's number and its byte were expected, not '0\t-8'"),
        (f"{'9' * 30}\t0\n", r"train\.idx, line 1: a record's number"),
        ("0\t0\n\n1\t8\n", r"train\.idx, line 2: .* not ''"),
        ("0\t0\t1\n2\n", r"train\.idx, line 1: .* not '0\t0\t1'"),
        ("7" * 999, r"train\.idx is no index: it has a line of more than 200 bytes"),
        ("0\t0\n1\t40\n0\t40\n", r"train\.idx: record 0 is listed twice"),
    ],
)
def test_a_malformed_index_is_refused(tmp_path: Path, index: str, complaint: str) -> None:
    (tmp_path / "train.idx").write_text(index)
    with pytest.raises(InvalidInputError, match=complaint):
        read_index(tmp_path / "train.idx")


def test_a_scan_takes_ids_for_numbers_if_no_two_are_equal(tmp_path: Path) -> None:
    found = [(4, 0), (0, 40), (2, 80)]
    index = scanned_index(found, tmp_path, {2})
    assert (list(index.numbers), list(index.offsets)) == ([0, 4], [40, 0])
    for repeated in ([(4, 0), (4, 40), (2, 80)], [(1 << 64, 0), (1, 40), (2, 80)]):
        index = scanned_index(repeated, tmp_path, ())
        assert (list(index.numbers), list(index.offsets)) == ([0, 1, 2], [0, 40, 80])
