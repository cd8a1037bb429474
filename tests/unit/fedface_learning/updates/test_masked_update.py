"""The object of a masked vector: added from any blocks, and refused if it is another one or of another form."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedface_core.domain.declaration import check_masked_declaration
from fedface_core.domain.errors import UpdateRefusedError
from fedface_core.domain.update import AcceptedUpdate
from fedface_learning.formats.codec import decode_tensors, encode_tensors, sha256_hex
from fedface_learning.masking import Vector
from fedface_learning.updates.masked_update import add_masked, encode_masked, masked_limit

RESIDUAL = "b" * 64
MODEL = "a" * 64


def vector(length: int, seed: int = 0) -> Vector:
    return np.random.default_rng(seed).integers(0, 2**64, length, dtype=np.uint64)


def in_blocks(data: bytes, size: int) -> list[memoryview]:
    return [memoryview(bytearray(data[start : start + size])) for start in range(0, len(data), size)]


def accepted_of(data: bytes) -> AcceptedUpdate:
    return AcceptedUpdate(sha256=sha256_hex(data), size=len(data), images=None)


@given(st.integers(1, 400), st.integers(40, 100))
def test_it_is_added_from_blocks_of_any_size(length: int, eighths: int) -> None:
    values = vector(length)
    data, accepted = encode_masked(values, MODEL, RESIDUAL)
    assert len(data) == accepted.size <= masked_limit(length)
    total = vector(length, seed=1)
    expected = total + values
    add_masked(total, in_blocks(data, 8 * eighths), accepted)
    assert (total == expected).all()


def test_what_is_recorded_and_stored_beside_the_vector_is_of_the_round_or_sealed() -> None:
    data, accepted = encode_masked(vector(5), MODEL, RESIDUAL)
    tensors, metadata = decode_tensors(data)
    assert tensors.keys() == {"masked_V"}
    assert metadata == {"images": None, "started_from": MODEL, "residual_sha256": RESIDUAL}
    found = accepted.model_dump(exclude_none=True)
    assert found == {"sha256": sha256_hex(data), "size": len(data), "started_from": MODEL, "residual_sha256": RESIDUAL}
    check_masked_declaration(accepted)


@pytest.mark.parametrize("told", [{"images": 3}, {"loss_before": 1.0}, {"loss_after": 0.0}])
def test_who_declares_something_of_itself_is_refused(told: dict[str, float]) -> None:
    with pytest.raises(UpdateRefusedError, match="neither images nor losses"):
        check_masked_declaration(AcceptedUpdate.model_validate({"sha256": MODEL, "size": 1, "images": None} | told))


def test_another_object_than_the_accepted_one_is_refused() -> None:
    data, accepted = encode_masked(vector(5), MODEL, RESIDUAL)
    total = vector(5)
    with pytest.raises(UpdateRefusedError, match=r"but .* was accepted") as refusal:
        add_masked(total, in_blocks(data[:-8] + bytes(8), 4096), accepted)
    assert refusal.value.reason == "changed"
    assert (total == vector(5)).all()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x" * 64,
        encode_masked(vector(6), MODEL, RESIDUAL)[0],
        encode_masked(vector(5), MODEL, RESIDUAL)[0] + bytes(8),
        encode_tensors({"masked_V": torch.zeros(5)}),
        encode_tensors({"masked_V": torch.zeros(1, 5, dtype=torch.int64)}),
        encode_tensors({"masked_V": torch.zeros(5, dtype=torch.int64), "more": torch.zeros(1)}),
        (2**60).to_bytes(8, "little") + bytes(200),
    ],
    ids=["nothing", "no safetensors", "longer", "more behind", "floats", "a matrix", "another tensor", "a huge header"],
)
def test_what_has_another_form_is_refused_and_nothing_is_added(data: bytes) -> None:
    total = vector(5)
    accepted = AcceptedUpdate(sha256=sha256_hex(data), size=max(1, len(data)), images=None)
    with pytest.raises(UpdateRefusedError):
        add_masked(total, in_blocks(data, 4096), accepted)
    assert (total == vector(5)).all()
