"""InsightFace's .bin sets as Python 2 and 3 write them, in every protocol, read without unpickling."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from fedface_core.learning.protocols.insightface import PackedPairs

IMAGES = [bytes([255, 216, number, 0, 39, 92, 10]) + b"jpeg\r\n" * number for number in range(30)]
ANSWERS = [number % 3 != 0 for number in range(15)]


def opened(tmp_path: Path, data: bytes) -> PackedPairs:
    (tmp_path / "lfw.bin").write_bytes(data)
    return PackedPairs.open(tmp_path / "lfw.bin")


def is_read(found: PackedPairs) -> None:
    assert [face.data for face in found.faces] == IMAGES
    assert found.pairs.genuine_P.tolist() == ANSWERS
    assert found.pairs.first_P.tolist() == list(range(0, 30, 2))
    assert found.pairs.second_P.tolist() == list(range(1, 30, 2))
    # Ten folds of fifteen pairs, in order: five of two, then five of one.
    assert found.pairs.fold_P.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "held",
    [
        (IMAGES, ANSWERS),
        [IMAGES, tuple(ANSWERS)],
        ([np.frombuffer(image, np.uint8) for image in IMAGES], ANSWERS),
        ([np.array(list(image), np.uint8) for image in IMAGES], [np.bool_(answer) for answer in ANSWERS]),
        (IMAGES, np.array(ANSWERS)),
        (IMAGES, [int(answer) for answer in ANSWERS]),
    ],
    ids=["bytes", "list and tuple", "arrays", "writable arrays and NumPy's bools", "array of answers", "numbers"],
)
def test_python_3(tmp_path: Path, held: object, protocol: int) -> None:
    is_read(opened(tmp_path, pickle.dumps(held, protocol=protocol)))


def test_python_3_with_numpy_before_2(tmp_path: Path) -> None:
    arrays = pickle.dumps(([np.frombuffer(image, np.uint8) for image in IMAGES], ANSWERS), protocol=2)
    assert b"numpy._core.multiarray" in arrays
    is_read(opened(tmp_path, arrays.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")))


def test_python_2_in_its_binary_protocol(tmp_path: Path) -> None:
    """Strings of bytes, short ones and long ones, as Python 2 writes them in protocol 2."""
    strings = [b"U" + bytes([len(image)]) + image for image in IMAGES[:15]]
    strings += [b"T" + struct.pack("<i", len(image)) + image + b"q\x05" for image in IMAGES[15:]]
    answers = [b"\x88" if answer else b"\x89" for answer in ANSWERS]
    whole = b"\x80\x02]q\x00(" + b"".join(strings) + b"e]q\x01(" + b"".join(answers) + b"e\x86q\x02."
    is_read(opened(tmp_path, whole))


def test_python_2_in_its_text_protocol(tmp_path: Path) -> None:
    strings = [b"S" + repr(image)[1:].encode() + b"\np1\na" for image in IMAGES]
    answers = [b"I01\na" if answer else b"I00\na" for answer in ANSWERS]
    is_read(opened(tmp_path, b"((lp0\n" + b"".join(strings) + b"(lp2\n" + b"".join(answers) + b"tp3\n."))


def test_a_set_of_the_size_of_lfw_is_read(tmp_path: Path) -> None:
    images = [np.frombuffer(b"x" * 3000, np.uint8) for _ in range(12_000)]
    found = opened(tmp_path, pickle.dumps((images, [True] * 6000), protocol=2))
    assert len(found.faces) == 12_000
