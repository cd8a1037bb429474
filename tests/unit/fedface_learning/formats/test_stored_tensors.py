"""Tensors read part by part, from memory and from disk."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
import torch
from torch import Tensor

from fedface_core.domain.errors import DamagedObjectError
from fedface_learning.formats.codec import encode_tensors
from fedface_learning.formats.stored_tensors import StoredTensors

TENSORS: dict[str, Tensor] = {
    "weight": torch.arange(6.0).reshape(2, 3),
    "counter": torch.tensor(7),
    "empty": torch.zeros(0, 3),
    "bytes": torch.arange(5, dtype=torch.uint8),
}
DATA = encode_tensors(TENSORS, {"images": 3})


@pytest.fixture(params=["memory", "disk"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BinaryIO]:
    if request.param == "memory":
        yield io.BytesIO(DATA)
    else:
        (tmp_path / "object").write_bytes(DATA)
        with (tmp_path / "object").open("rb") as opened:
            yield opened


def test_all_tensors_and_each_tensor_come_back(file: BinaryIO) -> None:
    stored = StoredTensors(file)
    assert stored.metadata == {"images": 3}
    tensors = stored.tensors()
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        for found in (tensors[name], stored.tensor(name)):
            assert found.dtype == tensor.dtype
            assert torch.equal(found, tensor)


def test_a_single_tensor_has_its_own_memory(file: BinaryIO) -> None:
    stored = StoredTensors(file)
    stored.tensor("weight").zero_()
    assert torch.equal(stored.tensor("weight"), TENSORS["weight"])


def test_values_are_read_from_the_middle_of_a_tensor(file: BinaryIO) -> None:
    stored = StoredTensors(file)
    start = stored.places["weight"].start + 2 * 4
    assert stored.values(torch.float32, start, 3).tolist() == [2.0, 3.0, 4.0]


def test_tensors_without_values_have_shapes_and_dtypes(file: BinaryIO) -> None:
    tensors = StoredTensors(file).meta_tensors(["weight", "bytes"])
    assert {name: (tensor.shape, tensor.dtype, tensor.device.type) for name, tensor in tensors.items()} == {
        "weight": ((2, 3), torch.float32, "meta"),
        "bytes": ((5,), torch.uint8, "meta"),
    }


@pytest.mark.parametrize("data", [DATA[:-1], DATA + b"\0"])
def test_a_file_of_another_length_is_refused(data: bytes) -> None:
    with pytest.raises(DamagedObjectError, match=f"not a whole safetensors file: it has {len(data)} bytes"):
        StoredTensors(io.BytesIO(data))


def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "object"
    path.write_bytes(DATA)
    with path.open("rb") as opened:
        stored = StoredTensors(opened)
        path.write_bytes(DATA[:-4])
        with pytest.raises(DamagedObjectError, match="ends before its tensors do"):
            stored.values(torch.uint8, stored.places["bytes"].start, 5)


def test_the_file_is_closed_when_the_tensors_are_gone(tmp_path: Path) -> None:
    path = tmp_path / "object"
    path.write_bytes(DATA)
    opened = path.open("rb")
    stored = StoredTensors(opened)
    assert not opened.closed
    del stored
    assert opened.closed
