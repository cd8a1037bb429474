"""The ranges of buffers: what training can make of them passes, what it cannot is refused by its name."""

from __future__ import annotations

import io
import math

import pytest
import torch
from torch import Tensor

from fedface_core.domain.errors import UpdateRefusedError
from fedface_core.domain.update import RefusalReason
from fedface_learning.formats.codec import encode_tensors
from fedface_learning.formats.stored_tensors import StoredTensors
from fedface_learning.updates.buffer_ranges import BufferRanges, last_part

STEPS = 10
MODEL = {
    "weight": torch.tensor([1e9]),
    "stem.1.running_mean": torch.tensor([0.0, -3.0]),
    "stem.1.running_var": torch.tensor([1.0, 0.5]),
    "stem.1.num_batches_tracked": torch.tensor(7),
    "centre": torch.tensor([0.0]),
}


def ranges(model: dict[str, Tensor] = MODEL) -> BufferRanges:
    return BufferRanges(StoredTensors(io.BytesIO(encode_tensors(model))), STEPS)


def buffers(**changes: Tensor) -> dict[str, Tensor]:
    """The buffers of the model, of which some have other values, by the last part of their names."""
    return {name: changes.get(last_part(name), tensor) for name, tensor in MODEL.items() if name in ranges().names}


def test_every_buffer_is_checked_and_no_parameter() -> None:
    assert {*ranges().names} == {*MODEL} - {"weight"}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"running_mean": torch.tensor([-3999.0, 3999.0])},
        {"running_var": torch.tensor([0.0, 1999.0])},
        {"num_batches_tracked": torch.tensor(7 + STEPS)},
        {"centre": torch.tensor([-1000.0])},
    ],
    ids=lambda changes: next(iter(changes), "unchanged"),
)
def test_what_training_can_give_passes(changes: dict[str, Tensor]) -> None:
    ranges().check(buffers(**changes))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"running_mean": torch.tensor([0.0, 4001.0])}, "stem.1.running_mean has the value 4001; .* from -4000 to 4000"),
        ({"running_mean": torch.tensor([math.nan, 0.0])}, "running_mean has the value nan"),
        ({"running_var": torch.tensor([1.0, -1e-6])}, "stem.1.running_var has the value -1e-06; .* from 0 to 2000"),
        ({"running_var": torch.tensor([math.inf, 1.0])}, "running_var has the value inf"),
        ({"num_batches_tracked": torch.tensor(6)}, "num_batches_tracked has the value 6; .* from 7 to 17"),
        ({"num_batches_tracked": torch.tensor(2**63 - 1)}, "num_batches_tracked has the value 9.22337e[+]18"),
        ({"centre": torch.tensor([-1000.5])}, "centre has the value -1000.5"),
    ],
)
def test_what_it_cannot_give_is_refused_by_its_name(changes: dict[str, Tensor], named: str) -> None:
    with pytest.raises(UpdateRefusedError, match=named) as refused:
        ranges().check(buffers(**changes))
    assert refused.value.reason is RefusalReason.OUT_OF_RANGE


def test_a_model_without_buffers_has_nothing_to_check() -> None:
    empty = ranges({"weight": torch.zeros(1)})
    assert empty.names == ()
    empty.check({})
