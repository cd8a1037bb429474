"""A file of blocks has the bytes of the blocks, from wherever it is read."""

from __future__ import annotations

import io
from typing import BinaryIO, cast

import pytest
import torch

from fedface_learning.formats.block_file import BlockFile, HeldBlocks
from fedface_learning.formats.codec import encode_tensors
from fedface_learning.formats.stored_tensors import StoredTensors

DATA = bytes(range(256)) * 5 + b"the end"


def file_of(data: bytes, block_bytes: int) -> BlockFile:
    return BlockFile(
        HeldBlocks([memoryview(data)[start : start + block_bytes] for start in range(0, len(data), block_bytes)])
    )


@pytest.mark.parametrize("block_bytes", [64, len(DATA) - 1, len(DATA), 4096], ids=["many", "two", "exact", "one"])
def test_it_can_be_read_whole_and_from_anywhere(block_bytes: int) -> None:
    with file_of(DATA, block_bytes) as file:
        assert file.seekable()
        assert file.read() == DATA
        assert file.read(1) == b""
        assert file.seek(-7, io.SEEK_END) == len(DATA) - 7
        assert file.read(100) == b"the end"
        file.seek(250)
        assert file.read(500) == DATA[250:750], "a read goes on into the next blocks"
        assert file.tell() == 750
        file.seek(5, io.SEEK_CUR)
        assert file.read(1) == DATA[755:756]
        file.seek(len(DATA) + 5)
        assert file.read(1) == b""


def test_stored_tensors_are_read_from_it() -> None:
    tensors = {"a": torch.arange(100), "b": torch.linspace(0, 1, 33)}
    stored = StoredTensors(cast("BinaryIO", file_of(encode_tensors(tensors), 64)))
    assert all(torch.equal(stored.tensor(name), tensor) for name, tensor in tensors.items())
