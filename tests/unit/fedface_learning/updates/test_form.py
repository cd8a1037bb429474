"""Where the values of an update lie, and what an update may weigh."""

from __future__ import annotations

import torch
from torch import Tensor

from fedface_learning.formats.codec import encode_tensors
from fedface_learning.formats.flat_sum import sum_positions
from fedface_learning.updates.form import UpdateForm, further_reference, in_one_block, size_limit

MODEL = {
    "a.weight": torch.linspace(-1, 1, 6).view(2, 3),
    "c.bias": torch.tensor([0.5, -0.5]),
    "d.half": torch.tensor([1.0, 2.0, 3.0], dtype=torch.float16),
    "e.batches": torch.tensor(7),
}
FURTHER = further_reference({"b.rows": (2, 3)})


def test_an_honest_update_is_below_the_size_limit_and_not_far() -> None:
    data = encode_tensors(MODEL, {"images": 10})
    assert len(data) < size_limit(MODEL) == UpdateForm.of(MODEL, steps=2).size_limit < len(data) + 8192
    large = MODEL | {"a.weight": torch.zeros(1000, 1000)}
    assert 4_000_000 < size_limit(large) < 4_010_000


def flat_sum(values: list[tuple[int, Tensor]]) -> Tensor:
    total_P = torch.zeros(sum(len(values_P) for _, values_P in values), dtype=torch.float64)
    for position, values_P in values:
        total_P[position : position + len(values_P)] = values_P.double()
    return total_P


def test_each_value_has_one_position_in_the_sum_whether_read_in_place_or_by_name() -> None:
    form = UpdateForm.of(MODEL, FURTHER, steps=2)
    tensors = MODEL | {"b.rows": torch.eye(3)[:2]}
    update = form.match_layout(in_one_block(encode_tensors(tensors, {"images": 10})))
    assert update is not None
    in_place = flat_sum([(span.in_sum, values_P) for span, values_P in form.values_in_place(update)])
    by_name = flat_sum([(span.in_sum, values_P) for span, values_P in form.values_by_name(tensors)])
    assert torch.equal(in_place, by_name)
    for name, position in sum_positions(MODEL).items():
        expected_P = MODEL[name].reshape(-1).double()
        assert torch.equal(in_place[position : position + len(expected_P)], expected_P)
    for span, values_P in form.values_in_place(update):
        assert torch.equal(form.of_model(span), values_P), "the update is the model, so each value is found in it"


def test_what_is_not_averaged_is_copied_and_metadata_comes_along() -> None:
    form = UpdateForm.of(MODEL, FURTHER, steps=2)
    [block] = in_one_block(encode_tensors(MODEL | {"b.rows": torch.eye(3)[:2]}, {"images": 10}))
    update = form.match_layout([block])
    assert update is not None
    others = form.not_averaged(update)
    block[:] = bytes(len(block))
    assert others.keys() == {"b.rows", "e.batches"}
    assert torch.equal(others["b.rows"], torch.eye(3)[:2])
    assert others["e.batches"] == 7
    assert update.metadata == {"images": 10}


def test_other_tensors_have_another_layout() -> None:
    form = UpdateForm.of(MODEL, steps=2)
    assert form.match_layout([]) is None
    assert form.match_layout(in_one_block(b"12345678")) is None
    assert form.match_layout(in_one_block(encode_tensors({"a.weight": torch.zeros(2, 3)}))) is None
