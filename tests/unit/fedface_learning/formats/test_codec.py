"""The codec: exact round trips, the same bytes every time, and a clear refusal of anything else."""

from __future__ import annotations

import hashlib
import json
from math import prod

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fedface_core.domain.errors import DamagedObjectError
from fedface_learning.formats.codec import decode_tensors, encode_tensors, sha256_hex


def _safetensors(header: object, body: bytes = b"") -> bytes:
    """A safetensors file by hand: header length, header, body."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


@pytest.mark.parametrize(
    "dtype",
    [
        torch.float64,
        torch.float32,
        torch.float16,
        torch.bfloat16,
        torch.int64,
        torch.int32,
        torch.int16,
        torch.int8,
        torch.uint8,
    ],
)
def test_every_dtype_comes_back_exactly(dtype: torch.dtype) -> None:
    values = torch.arange(6).reshape(2, 3).to(dtype)
    tensors, _ = decode_tensors(encode_tensors({"values": values}))
    assert tensors["values"].dtype == dtype
    assert torch.equal(tensors["values"], values)


NAMES = st.text(min_size=1, max_size=8).filter(lambda name: name != "__metadata__")
ANY_TENSOR = st.builds(
    lambda dtype, shape: torch.arange(prod(shape)).reshape(shape).to(dtype),
    st.sampled_from([torch.float64, torch.float32, torch.bfloat16, torch.int64, torch.int16, torch.uint8]),
    st.lists(st.integers(0, 4), max_size=3),
)


@settings(max_examples=40)
@given(st.dictionaries(NAMES, ANY_TENSOR, max_size=5), st.dictionaries(st.text(max_size=4), st.integers() | st.text()))
def test_the_bytes_are_the_safetensors_librarys(tensors: dict[str, Tensor], metadata: dict[str, int | str]) -> None:
    text = json.dumps(metadata, sort_keys=True, separators=(",", ":"))
    data = encode_tensors(tensors, metadata)
    assert data == safetensors.torch.save(tensors, {"fedface": text})
    read = safetensors.torch.load(data)
    assert read.keys() == tensors.keys()
    assert all(torch.equal(read[name], tensor) for name, tensor in tensors.items())


def test_tensors_in_another_memory_order_give_the_same_bytes() -> None:
    weights = torch.arange(48.0).reshape(2, 3, 2, 4)
    laid = weights.contiguous(memory_format=torch.channels_last)
    assert encode_tensors({"weights": laid}) == encode_tensors({"weights": weights})


def test_scalars_empty_and_strided_tensors_come_back() -> None:
    written = {"scalar": torch.tensor(7), "empty": torch.zeros(0, 3), "strided": torch.arange(6).reshape(2, 3).T}
    tensors, _ = decode_tensors(encode_tensors(written))
    assert all(torch.equal(tensors[name], value) for name, value in written.items())
    assert tensors["empty"].shape == (0, 3)


def test_metadata_comes_back_equal() -> None:
    metadata = {"images": 10, "losses": [0.25, None], "refused": {"client-000001": "not_finite"}, "name": "Zoë"}
    assert decode_tensors(encode_tensors({"a": torch.zeros(1)}, metadata))[1] == metadata
    assert decode_tensors(encode_tensors({"a": torch.zeros(1)}))[1] == {}


def test_order_of_names_and_of_metadata_does_not_change_the_bytes() -> None:
    one = torch.ones(3)
    two = torch.zeros(2, dtype=torch.int64)
    first = encode_tensors({"one": one, "two": two}, {"x": 1, "y": {"p": 2, "q": 3}})
    assert encode_tensors({"two": two, "one": one}, {"y": {"q": 3, "p": 2}, "x": 1}) == first


def test_decoded_tensors_may_be_written_to_without_changing_the_bytes() -> None:
    data = encode_tensors({"a": torch.zeros(4)})
    digest = sha256_hex(data)
    decode_tensors(data)[0]["a"].fill_(5)
    assert sha256_hex(data) == digest


def test_every_truncation_is_refused() -> None:
    data = encode_tensors({"a": torch.arange(3.0), "b": torch.tensor(1)}, {"images": 2})
    for length in range(len(data)):
        with pytest.raises(DamagedObjectError):
            decode_tensors(data[:length])
    with pytest.raises(DamagedObjectError, match="not a whole safetensors file"):
        decode_tensors(data + b"\0")


def test_a_pickle_is_refused() -> None:
    with pytest.raises(DamagedObjectError, match="header"):
        decode_tensors(b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "0 bytes"),
        ((2**40).to_bytes(8, "little") + b"{}", "a header of 1099511627776 bytes; at most 8388608"),
        (_safetensors(b"not json"), "header"),
        (_safetensors(b"[" * 100_000), "header"),
        (
            _safetensors({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, b"\0" * 4),
            "not a whole safetensors file",
        ),
        (
            _safetensors({"a": {"dtype": "BOOL", "shape": [1], "data_offsets": [0, 1]}}, b"\7"),
            "'a' has the dtype BOOL; it must",
        ),
        (
            _safetensors({"a": {"dtype": "F32", "shape": [0, 2**62, 4], "data_offsets": [0, 0]}}),
            "impossible shape|not a whole",
        ),
        (_safetensors({"__metadata__": {"fedface": "{"}}), "'fedface' is not JSON"),
        (_safetensors({"__metadata__": {"fedface": "[" * 100_000}}), "'fedface' is not JSON"),
        (_safetensors({"__metadata__": {"fedface": "[1]"}}), "must be a JSON object, not list"),
    ],
)
def test_malformed_bytes_are_refused_with_the_reason(data: bytes, message: str) -> None:
    with pytest.raises(DamagedObjectError, match=message):
        decode_tensors(data)


def test_a_file_that_somebody_else_wrote_has_no_metadata() -> None:
    header = {"__metadata__": {"format": "pt"}, "a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}
    tensors, metadata = decode_tensors(_safetensors(header, b"\3"))
    assert (tensors["a"].tolist(), metadata) == ([3], {})


def test_sha256_hex() -> None:
    assert sha256_hex(b"abc") == hashlib.sha256(b"abc").hexdigest()


def test_odd_names_strided_tensors_and_objects_without_values_are_written_as_safetensors_does() -> None:
    types = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8)
    tensors = {f"{index}/{dtype}": torch.ones(index, 3, dtype=dtype) for index, dtype in enumerate((*types, torch.uint8))}
    tensors |= {'a "quoted" é\n\x1f name': torch.tensor(2.5), "a.transposed": torch.arange(6.0).view(2, 3).t()}
    metadata = {"images": 3, "text": 'é "\\'}
    for written in (tensors, {}, {"empty": torch.zeros(0, 4)}):
        plain = {name: tensor.contiguous() for name, tensor in written.items()}
        text = json.dumps(metadata, sort_keys=True, separators=(",", ":"))
        assert encode_tensors(written, metadata) == safetensors.torch.save(plain, {"fedface": text})
