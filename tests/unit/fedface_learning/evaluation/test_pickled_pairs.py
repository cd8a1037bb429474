"""InsightFace's .bin sets as Python 2 and 3 write them, in every protocol, read without unpickling."""

from __future__ import annotations

import contextlib
import pickle
import shutil
import struct
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.evaluation.insightface import PackedPairs
from fedface_learning.evaluation.pickled_pairs import read_pickled
from support.protocol_trees import refused

IMAGES = [bytes([255, 216, number, 0, 39, 92, 10]) + b"jpeg\r\n" * number for number in range(30)]
ANSWERS = [number % 3 != 0 for number in range(15)]
HOLDS = "a .bin set holds (list of encoded images, list of 'is same')"


NUMBERS = ("?", "i1", "u1", "<i4", "i8", "u8", ">i8", ">f4", "f2", "f4", "f8")


def objects(items: Iterable[object]) -> npt.NDArray[np.object_]:
    listed = list(items)
    array = np.empty(len(listed), object)
    array[:] = listed
    return array


def opened(tmp_path: Path, data: bytes) -> PackedPairs:
    (tmp_path / "lfw.bin").write_bytes(data)
    return PackedPairs.open(tmp_path / "lfw.bin")


def is_read(found: PackedPairs) -> None:
    assert [face.data for face in found.faces] == IMAGES
    assert found.pairs.genuine_P.tolist() == ANSWERS


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
        (IMAGES, [float(answer) for answer in ANSWERS]),
        ([bytearray(image) for image in IMAGES], ANSWERS),
        ([np.bytes_(image) for image in IMAGES], ANSWERS),
        ([np.frombuffer(image, np.int8) for image in IMAGES], ANSWERS),
        (np.array(IMAGES, object), np.array(ANSWERS, object)),
        (objects(np.frombuffer(image, np.uint8) for image in IMAGES), ANSWERS),
        (np.array(IMAGES), tuple(ANSWERS)),
        (tuple(IMAGES), np.array(ANSWERS).reshape(-1, 1)),
        (IMAGES, [np.array(answer) for answer in ANSWERS]),
        (IMAGES, [np.array([answer]) for answer in ANSWERS]),
        *((IMAGES, np.array(ANSWERS, kind)) for kind in NUMBERS),
        *((IMAGES, [np.dtype(kind).type(answer) for answer in ANSWERS]) for kind in NUMBERS),
    ],
)
def test_python_3(tmp_path: Path, held: object, protocol: int) -> None:
    is_read(opened(tmp_path, pickle.dumps(held, protocol=protocol)))


@pytest.mark.parametrize("protocol", [0, 1, 2, 3])
def test_python_3_with_numpy_before_2(tmp_path: Path, protocol: int) -> None:
    held = ([np.frombuffer(image, np.uint8) for image in IMAGES], [np.int64(answer) for answer in ANSWERS])
    arrays = pickle.dumps(held, protocol=protocol)
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


WHOLE = [
    pickle.dumps((images, ANSWERS), protocol=protocol)
    for images in (IMAGES, [np.frombuffer(image, np.uint8) for image in IMAGES])
    for protocol in range(6)
]


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(WHOLE), st.lists(st.tuples(st.integers(0, 3000), st.binary(min_size=1, max_size=3)), min_size=1))
@pytest.mark.slow
def test_a_damaged_set_is_read_as_something_or_refused(whole: bytes, damage: list[tuple[int, bytes]]) -> None:
    """Whatever stands in the file, nothing else comes of it, and nothing of this process changes."""
    spoilt = bytearray(whole)
    for place, put in damage:
        spoilt[place % len(whole) : place % len(whole) + len(put)] = put
    with contextlib.suppress(InvalidInputError):
        read_pickled(bytes(spoilt), "lfw.bin")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_read_as_something_or_refused(data: bytes) -> None:
    with contextlib.suppress(InvalidInputError):
        read_pickled(data, "lfw.bin")


@pytest.mark.parametrize(
    "makes",
    [
        b"cnumpy.core.numeric\n_frombuffer\n(I1000000000000000\ncnumpy\ndtype\n(Vu1\ntRtR.",
        b"c__builtin__\nbytearray\n(I1000000000000000\ntR.",
        b"cbuiltins\nbytes\n(I1000000000000000\ntR.",
    ],
)
def test_a_number_in_place_of_bytes_makes_no_zeros(makes: bytes) -> None:
    """As in ``numpy.core.numeric._frombuffer(10**15, dtype('u1'))``: four instructions must not ask for a petabyte."""
    with pytest.raises(InvalidInputError, match="not a whole \\.bin set"):
        read_pickled(makes, "lfw.bin")


@pytest.mark.slow
def test_a_set_of_the_size_of_lfw_is_read(tmp_path: Path) -> None:
    images = [np.frombuffer(b"x" * 3000, np.uint8) for _ in range(12_000)]
    found = opened(tmp_path, pickle.dumps((images, [True] * 6000), protocol=2))
    assert len(found.faces) == 12_000


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return shutil.rmtree, ("/nonexistent",)


@pytest.mark.parametrize(
    ("held", "message"),
    [
        (
            (IMAGES, [*ANSWERS[:14], Evil()]),
            "FILE: the file asks for shutil.rmtree, which a .bin set has no use for; nothing was run",
        ),
        ({"images": IMAGES}, "FILE: a .bin set has no use for the pickle instruction EMPTY_DICT; it is not read"),
        ((IMAGES, {1}), "FILE: a .bin set has no use for the pickle instruction EMPTY_SET; it is not read"),
        (
            (IMAGES, np.dtype("u1").newbyteorder),
            "FILE: the file asks for builtins.getattr, which a .bin set has no use for; nothing was run",
        ),
    ],
)
def test_any_other_name_or_instruction_is_refused_and_not_run(tmp_path: Path, held: object, message: str) -> None:
    (tmp_path / "lfw.bin").write_bytes(pickle.dumps(held, protocol=4))
    assert refused("insightface-bin", tmp_path / "lfw.bin", None) == message


@pytest.mark.parametrize(
    "spoil",
    [
        lambda whole: b"",
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:-1],
        lambda whole: b"\xff\xd8\xff\xe0" + whole,
        lambda whole: b"c_codecs\nencode\n(tR.",
        lambda whole: b"].",
        lambda whole: b"t.",
        lambda whole: b"h\x05.",
        lambda whole: b"Ia\n.",
        lambda whole: b"]]b.",
        lambda whole: b"L1" + b"0" * 9999 + b"L\n.",
    ],
)
def test_packed_sets_that_are_none(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    (tmp_path / "lfw.bin").write_bytes(spoil(pickle.dumps((IMAGES, ANSWERS), protocol=2)))
    message = refused("insightface-bin", tmp_path / "lfw.bin", None)
    assert message in (
        "FILE is not a whole .bin set: it is cut short, or was never a pickle",
        f"FILE holds a list of 0; {HOLDS}",
    )


def test_a_call_with_other_arguments_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lfw.bin").write_bytes(b"c_codecs\nencode\n(Vabc\nVrot13\ntR.")
    said = "FILE: _codecs.encode is called in a way that a .bin set has no use for; nothing was run"
    assert refused("insightface-bin", tmp_path / "lfw.bin", None) == said
