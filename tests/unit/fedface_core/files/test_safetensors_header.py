"""A file is recognised as safetensors exactly if the library reads it, and it has dtypes that FedFace reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest
import safetensors
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from fedface_core.domain.errors import InvalidInputError
from fedface_core.files import safetensors_header
from fedface_core.files.safetensors_header import DTYPE_BYTES, check_safetensors, metadata_of
from fedface_learning.formats.safetensors_layout import DTYPES

deserialize = cast("Callable[[bytes], list[tuple[str, dict[str, Any]]]]", safetensors.deserialize)

ENTRIES = {
    "__metadata__": {"fedface": "{}"},
    "b": {"dtype": "F32", "shape": [2, 3], "data_offsets": [8, 32]},
    "a": {"dtype": "I64", "shape": [], "data_offsets": [0, 8]},
}


def stored(entries: Any, values: int = 32) -> bytes:
    header = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    return len(header).to_bytes(8, "little") + header + bytes(values)


def complaint(data: bytes) -> str | None:
    try:
        check_safetensors(data, "model")
    except InvalidInputError as error:
        return str(error)
    return None


def library_reads(data: bytes) -> bool:
    try:
        deserialize(data)
    except safetensors.SafetensorError:
        return False
    return True


def test_the_dtypes_are_those_that_are_decoded() -> None:
    assert {name: dtype.itemsize for name, dtype in DTYPES.items()} == DTYPE_BYTES


def test_a_size_that_looks_like_another_kinds_beginning_is_a_size() -> None:
    padding = json.dumps(ENTRIES).encode().ljust(0x8B1F)  # gzip files begin so
    assert complaint(stored(padding)) is None


def test_the_metadata_are_read_without_the_tensors() -> None:
    assert metadata_of(stored(ENTRIES)) == {"fedface": "{}"}
    assert metadata_of(stored({name: entry for name, entry in ENTRIES.items() if name != "__metadata__"})) == {}


def test_what_the_library_writes_is_safetensors() -> None:
    data = save({"w": np.zeros(3, np.float32), "n": np.zeros((0, 2), np.int64)}, {"a": "b"})
    assert complaint(data) is None
    assert complaint(stored(ENTRIES)) is None


WRONG: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "it is an empty file"),
    "short": (b"abc", "it begins with b'abc'"),
    "TOML": (b'[model]\narchitecture = "spherenet-20"\n', "it is a TOML document, such as a plan"),
    "a zip": (b"PK\x03\x04" + bytes(100), "it is a zip archive"),
    "PyTorch": (
        b"PK\x03\x04" + bytes(30) + b"x/data.pkl",
        "it is a PyTorch file; `fedface model import` makes a model of it",
    ),
    "no JSON": (stored(b"{nonsense"), "its header is not JSON"),
    "not UTF-8": (stored(b"{\xff\xfe}"), "its header is not JSON"),
    "deep": (stored(b'{"a":' + b"[" * 100_000), "its header is not JSON"),
    "a long number": (stored(b'{"a":' + b"9" * 5000 + b"}"), "its header is not JSON"),
    "a list": (stored(b"[]"), "its header begins with b'[]', and should be a JSON object"),
    "no tensor": (stored({}, 0), "it holds no tensor"),
    "metadata": (stored(ENTRIES | {"__metadata__": {"a": 1}}), "its __metadata__ are not texts by name"),
    "an entry": (stored(ENTRIES | {"a": 1}), "the entry of tensor 'a' does not name dtype, shape and data_offsets"),
    "cut short": (stored(ENTRIES)[:-1], "its tensors take 32 bytes, but 31 follow the header"),
    "too long": (stored(ENTRIES) + b"x", "its tensors take 32 bytes, but 33 follow the header"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said(name: str) -> None:
    data, said = WRONG[name]
    found = complaint(data)
    assert found is not None
    assert found.startswith(f"model is not a safetensors file: {said}")
    assert len(found) < 300


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "another dtype": lambda entry: entry.update(dtype="BOOL"),
    "no dtype": lambda entry: entry.update(dtype=["F32"]),
    "negative": lambda entry: entry.update(shape=[-2, -3]),
    "a fraction": lambda entry: entry.update(shape=[2.0, 3.0]),
    "true": lambda entry: entry.update(shape=[True, 6]),
    "many dimensions": lambda entry: entry.update(shape=[1] * 9 + [6]),
    "absurd": lambda entry: entry.update(shape=[10**100, 0], data_offsets=[8, 8]),
    "another shape": lambda entry: entry.update(shape=[2, 4]),
    "three offsets": lambda entry: entry.update(data_offsets=[8, 16, 32]),
    "backwards": lambda entry: entry.update(data_offsets=[32, 8]),
    "a hole": lambda entry: entry.update(data_offsets=[12, 36]),
    "overlapping": lambda entry: entry.update(data_offsets=[4, 28]),
    "more": lambda entry: entry.update(more=1),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_wrong_entry_is_refused(name: str) -> None:
    entries = json.loads(json.dumps(ENTRIES))
    CHANGES[name](entries["b"])
    found = complaint(stored(entries))
    assert found is not None
    assert "tensor 'b'" in found


def test_sizes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = stored(ENTRIES)
    monkeypatch.setattr(safetensors_header, "MAX_HEADER_BYTES", 10)
    assert "10 are allowed" in str(complaint(data))
    monkeypatch.setattr(safetensors_header, "MAX_MODEL_BYTES", len(data) - 1)
    assert f"it has {len(data)} bytes; a model has {len(data) - 1} at most" in str(complaint(data))


@given(data=st.data())
def test_what_is_recognised_is_read_by_the_library(data: st.DataObject) -> None:
    whole = bytearray(stored(ENTRIES))
    for _ in range(data.draw(st.integers(0, 3))):
        position = data.draw(st.integers(0, len(whole) - 1))
        whole[position] = data.draw(st.integers(0, 255))
    whole = whole[: data.draw(st.sampled_from([len(whole), len(whole) - 1, 20, 4]))]
    if complaint(bytes(whole)) is None:
        assert library_reads(bytes(whole))
    elif library_reads(bytes(whole)):
        dtypes = {view["dtype"] for _, view in deserialize(bytes(whole))}
        assert not dtypes or not dtypes <= DTYPE_BYTES.keys()
