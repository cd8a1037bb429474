"""The class sums in a partial."""

from __future__ import annotations

import io

import pytest
import torch

from fedface_core.domain.errors import DamagedObjectError
from fedface_learning.aggregation.partial_sums import add_sums, is_of_sums, read_sums
from fedface_learning.formats.codec import encode_tensors
from fedface_learning.formats.stored_tensors import StoredTensors
from fedface_learning.objectives.class_sums import ClassSums, on_the_grid

PART = ClassSums.part_of(on_the_grid(torch.arange(1.0, 5.0)))


def stored(tensors: dict[str, torch.Tensor]) -> StoredTensors:
    return StoredTensors(io.BytesIO(encode_tensors(tensors)))


def test_a_shard_without_updates_adds_nothing() -> None:
    assert add_sums(None, None) is None
    assert add_sums(None, PART) is add_sums(PART, None) is PART
    both = add_sums(PART, PART)
    assert both is not None
    assert both.clients == 2
    assert torch.equal(both.first_D, 2 * PART.first_D)


def test_sums_are_found_among_the_tensors_of_a_partial() -> None:
    found = read_sums(stored({"weight": torch.ones(3), **PART.tensors()}))
    assert found is not None
    assert torch.equal(found.second_DD, PART.second_DD)
    assert read_sums(stored({"weight": torch.ones(3)})) is None
    assert [is_of_sums(name) for name in ("weight", "client-000000/class_embedding", *PART.tensors())] == [0, 0, 1, 1, 1]


def test_damaged_sums_are_noticed() -> None:
    with pytest.raises(DamagedObjectError, match="class sums have the shapes"):
        read_sums(stored(PART.tensors() | {"class_sums/first_D": torch.ones(3, dtype=torch.float64)}))
