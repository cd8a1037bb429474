"""The layout of a safetensors object: places, and a header that is recognised to the byte."""

from __future__ import annotations

import io
import json

import pytest
import torch
from torch import Tensor

from fedface_core.domain.errors import DamagedObjectError
from fedface_core.files.safetensors_header import MAX_HEADER_BYTES
from fedface_learning.formats.codec import encode_tensors
from fedface_learning.formats.safetensors_layout import (
    Place,
    header,
    header_end,
    parse_metadata,
    places_of,
    read_header,
)


def with_header(entries: object) -> bytes:
    text = json.dumps(entries).encode()
    return len(text).to_bytes(8, "little") + text + bytes(4)


TENSORS: dict[str, Tensor] = {
    "half": torch.zeros(3, dtype=torch.float16),
    "weight": torch.zeros(2, 3),
    "bias": torch.zeros(2),
    "counter": torch.tensor(0),
}
METADATA = {"images": 3, "name": "Zoë"}


def test_places_follow_each_other_by_dtype_and_then_by_name() -> None:
    places = places_of(TENSORS)
    assert places == {
        "counter": Place(torch.int64, (), 0),
        "bias": Place(torch.float32, (2,), 8),
        "weight": Place(torch.float32, (2, 3), 16),
        "half": Place(torch.float16, (3,), 40),
    }
    assert list(places) == ["counter", "bias", "weight", "half"]
    assert [(place.count, place.stop) for place in places.values()] == [(1, 8), (2, 16), (6, 40), (3, 46)]


def test_a_header_is_padded_to_eight_bytes_and_comes_back() -> None:
    for text in ("{}", json.dumps(METADATA), "x" * 5):
        start = header(places_of(TENSORS), text)
        assert len(start) % 8 == 0
        assert parse_metadata(start, header_end(places_of(TENSORS))) == text


def test_a_header_that_differs_in_one_byte_is_not_ours() -> None:
    start = header(places_of(TENSORS), json.dumps(METADATA))
    end = header_end(places_of(TENSORS))
    for index in range(len(start)):
        changed = bytearray(start)
        changed[index] ^= 1
        text = parse_metadata(bytes(changed), end)
        # A changed letter of the metadata is another metadata, which the header still has to the byte.
        assert text is None or header(places_of(TENSORS), text) == changed


def test_a_header_of_other_tensors_or_too_large_is_not_ours() -> None:
    end = header_end(places_of(TENSORS))
    others = TENSORS | {"bias": torch.zeros(3)}
    assert parse_metadata(header(places_of(others), "{}"), end) is None
    assert parse_metadata(header(places_of(TENSORS), "x" * MAX_HEADER_BYTES), end) is None


def test_a_header_is_read_from_a_file() -> None:
    data = encode_tensors(TENSORS, METADATA)
    places, metadata, data_start = read_header(io.BytesIO(data))
    assert places == places_of(TENSORS)
    assert metadata == METADATA
    assert len(data) - data_start == 46


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not safetensors",
        (2).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        (40).to_bytes(8, "little") + b'{"__metadata__":{"fedface":"[[["},"a":1} ',
        encode_tensors(TENSORS)[:50],
        *(
            with_header(
                {"__metadata__": {"fedface": "{}"}, "a": {"dtype": "F32", "shape": shape, "data_offsets": [start, 4]}}
            )
            for shape, start in (([1], -4), ([-1], 0), ([1.0], 0), (["1"], 0), ([1], 0.0), ([True], 0), ([1], "0"))
        ),
    ],
)
def test_a_file_without_our_header_is_refused(data: bytes) -> None:
    with pytest.raises(DamagedObjectError, match="not a safetensors file that we wrote"):
        read_header(io.BytesIO(data))
