"""Lists of labels: how a line is read, what is refused, and what does not join."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.data.label_list import join_labels, read_labels


def labels_of(tmp_path: Path, text: str | bytes) -> dict[str, str]:
    file = tmp_path / "labels.txt"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_labels(file)


@pytest.mark.parametrize(
    ("line", "path", "label"),
    [
        ("000001.jpg 2880", "000001.jpg", "2880"),
        ("000001.jpg   2880  ", "000001.jpg", "2880"),
        ("a b/my face.jpg 7", "a b/my face.jpg", "7"),
        ("a b/1.jpg\tAnn Lee", "a b/1.jpg", "Ann Lee"),
        ("1.jpg,7", "1.jpg", "7"),
        ("1.jpg, 7", "1.jpg", "7"),
        ("Lee, Ann/1.jpg 7", "Lee, Ann/1.jpg", "7"),
        ('1.jpg,"Lee, Ann"', "1.jpg", "Lee, Ann"),
        ('"Lee, Ann/1.jpg",7', "Lee, Ann/1.jpg", "7"),
        ("./a/1.jpg 7", "a/1.jpg", "7"),
        ("a\\1.jpg 7", "a/1.jpg", "7"),
        ("Jose\u0301/1.jpg José", "José/1.jpg", "José"),
    ],
)
def test_a_line_is_a_path_and_a_label(tmp_path: Path, line: str, path: str, label: str) -> None:
    assert labels_of(tmp_path, f"{line}\n") == {path: label}


@pytest.mark.parametrize(
    "text",
    [
        "image_id identity\n1.jpg 7\n",
        "# CelebA\n\n1.jpg 7\r\n",
        "# CelebA\nimage_id,identity\n1.jpg,7\n",
        b"\xef\xbb\xbf1.jpg 7",
        "202599\n1.jpg 7",
    ],
)
def test_headings_comments_and_byte_order_marks_are_skipped(tmp_path: Path, text: str | bytes) -> None:
    assert labels_of(tmp_path, text) == {"1.jpg": "7"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "holds no labels: a line for each photograph was expected"),
        ("image identity\n", "holds no labels"),
        ("1.jpg 7\n2.jpg\n", "line 2: a path and a label were expected, such as 000001.jpg 2880, not '2.jpg'"),
        ("1.jpg\n", "line 1: a path and a label were expected"),
        ("1.jpg 7\n1.jpg 8\n", "line 2: 1.jpg is '8' here, and '7' in a line before"),
        ("../1.jpg 7\n", "line 1: '../1.jpg' is no path below the folder"),
        ("/1.jpg 7\n", "line 1: '/1.jpg' is no path below the folder"),
        ("1.jpg\t\u202eevil\n", "line 1: the label is '\\u202eevil', of which character 1 (U+202E) cannot be shown"),
        (f"1.jpg {'x' * 256}\n", "line 1: a label of 256 characters; 255 are allowed"),
        (f"1.jpg {'x' * 9000}\n", "line 1 is longer than 8,192 bytes: is it a list?"),
        (b"1.jpg \xff\n", "is not text in UTF-8"),
        ('1.jpg 7\n"2.jpg,7\n', "line 2: a path and a label were expected"),
    ],
)
def test_what_is_wrong_is_named_by_line(tmp_path: Path, text: str | bytes, complaint: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        labels_of(tmp_path, text)
    assert complaint in str(refused.value)


def test_a_missing_file_and_too_many_lines_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"cannot read the labels in .*none\.txt: No such file"):
        read_labels(tmp_path / "none.txt")
    (tmp_path / "labels.txt").write_text("1.jpg 7\n2.jpg 7\n3.jpg 7\n")
    with pytest.raises(InvalidInputError, match=r"labels\.txt has more than 2 lines"):
        read_labels(tmp_path / "labels.txt", most=2)


def test_what_does_not_join_is_counted_both_ways() -> None:
    joined = join_labels(
        {"1.jpg": "7", "2.jpg": "8", "Jos\u00e9.jpg": "9"}, ["1.jpg", "3.jpg", "4.jpg", "Jose\u0301.jpg"], Path("l")
    )
    assert joined.labels == {"1.jpg": "7", "Jose\u0301.jpg": "9"}
    assert (joined.absent, joined.unlisted) == (1, 2)


def test_that_nothing_joins_is_an_error() -> None:
    with pytest.raises(
        InvalidInputError, match=r"list of labels l: it names a/1\.jpg, and the folder has 1\.jpg; its paths"
    ):
        join_labels({"a/1.jpg": "7"}, ["1.jpg"], Path("l"))
    with pytest.raises(InvalidInputError, match="the folder has no photograph"):
        join_labels({"a/1.jpg": "7"}, [], Path("l"))
