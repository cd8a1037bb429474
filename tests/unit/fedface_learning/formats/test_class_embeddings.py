"""The object of the class embeddings: raw rows, of which a client reads its own by a byte range."""

from __future__ import annotations

import struct

import pytest
import torch

from fedface_core.domain.errors import DamagedObjectError
from fedface_learning.formats.class_embeddings import decode_class_embeddings, encode_class_embeddings, row_range

ROWS_CD = torch.arange(15.0).reshape(5, 3) / 7


def test_rows_are_little_endian_floats_one_after_the_other() -> None:
    assert encode_class_embeddings(ROWS_CD) == struct.pack("<15f", *ROWS_CD.flatten().tolist())


def test_all_rows_and_one_row_come_back() -> None:
    data = encode_class_embeddings(ROWS_CD)
    start, length = row_range(3, 3)
    assert torch.equal(decode_class_embeddings(data, 3), ROWS_CD)
    assert torch.equal(decode_class_embeddings(data[start : start + length], 3), ROWS_CD[3:4])


def test_decoded_rows_may_be_written_to_without_changing_the_bytes() -> None:
    data = encode_class_embeddings(ROWS_CD)
    decode_class_embeddings(data, 3).zero_()
    assert data == encode_class_embeddings(ROWS_CD)


@pytest.mark.parametrize("data", [b"", b"123", b"0" * 65])
def test_bytes_that_are_no_rows_are_refused(data: bytes) -> None:
    with pytest.raises(DamagedObjectError, match=f"{len(data)} bytes are no class embeddings: each has 16 float32"):
        decode_class_embeddings(data, 16)
