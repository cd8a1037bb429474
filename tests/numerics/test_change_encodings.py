"""How much of a change each encoding keeps, and what error feedback makes of the rest."""

from __future__ import annotations

from typing import Any, cast

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fedface_core.domain.errors import UpdateRefusedError
from fedface_core.domain.plan import Plan
from fedface_core.domain.update import RefusalReason
from fedface_learning.models import initial_network
from fedface_learning.models.weights import network_tensors
from fedface_learning.seeding import generator
from fedface_learning.updates.change_encodings import INDICES, INT8, SCALES, VALUES, ChangeEncoding, Float16, Int8, TopK
from fedface_learning.updates.encoding import WHOLE_MODEL, update_encoding_of

SIZES = (5, 1, 24)
COUNT = sum(SIZES)
ENCODINGS: list[ChangeEncoding] = [Float16(COUNT), Int8(SIZES), TopK(COUNT, 3)]


def change(*seed: int | str, scale: float = 1e-3) -> Tensor:
    """COUNT numbers over several orders of magnitude."""
    draws = generator("change", *seed)
    return torch.randn(COUNT, generator=draws) * torch.logspace(-3, 1, COUNT) * scale


@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda each: type(each).__name__)
def test_what_is_encoded_looks_as_announced_and_comes_back_alike(encoding: ChangeEncoding) -> None:
    encoded = encoding.encode(change(0))
    again = encoding.encode(change(0))
    layout = encoding.layout()
    assert {name: (each.shape, each.dtype) for name, each in encoded.items()} == {
        name: (each.shape, each.dtype) for name, each in layout.items()
    }
    assert all(each.is_meta for each in layout.values()), "a layout allocates nothing"
    assert all(torch.equal(encoded[name], again[name]) for name in encoded)
    assert encoding.decode(encoded).dtype == torch.float32


@given(st.lists(st.floats(-60_000, 60_000, width=32, allow_subnormal=False), min_size=COUNT, max_size=COUNT))
def test_half_precision_is_off_by_half_a_last_place(numbers: list[float]) -> None:
    given_P = torch.tensor(numbers)
    back_P = Float16(COUNT).decode(Float16(COUNT).encode(given_P))
    bound_P = torch.maximum(given_P.double().abs() * 2**-11, torch.tensor(2.0**-25, dtype=torch.float64))
    assert bool(((back_P.double() - given_P.double()).abs() <= bound_P).all())


@given(st.lists(st.floats(-1e6, 1e6, width=32, allow_subnormal=False), min_size=COUNT, max_size=COUNT))
def test_whole_steps_are_off_by_half_a_scale(numbers: list[float]) -> None:
    encoding = Int8(SIZES)
    given_P = cast("Any", torch.tensor(numbers))
    encoded = encoding.encode(given_P)
    new_residual_P: Any = (encoding.decode(encoded).double() - given_P.double()).abs()
    for left, part, scale in zip(new_residual_P.split(SIZES), given_P.split(SIZES), encoded[SCALES].double(), strict=True):
        assert scale == max(part.abs().max() / 127, torch.finfo(torch.float32).tiny)
        assert float(left.max()) <= float(scale) * 0.5001  # division and product round, too


def test_a_tensor_that_has_not_changed_comes_back_as_zeros() -> None:
    change_P = change(1)
    change_P[: SIZES[0]] = 0
    back_P = Int8(SIZES).decode(Int8(SIZES).encode(change_P))
    assert not back_P[: SIZES[0]].any()
    assert back_P[SIZES[0] :].any()


def test_one_large_tensor_does_not_coarsen_another() -> None:
    small = torch.full((SIZES[0],), 1e-6)
    change_P = torch.cat([small, torch.tensor([1e3]), torch.zeros(SIZES[2])])
    torch.testing.assert_close(Int8(SIZES).decode(Int8(SIZES).encode(change_P))[: SIZES[0]], small)


@given(st.lists(st.integers(-4, 4), min_size=COUNT, max_size=COUNT), st.integers(1, COUNT))
def test_the_largest_are_kept_and_of_equals_the_first(numbers: list[int], kept: int) -> None:
    change_P = torch.tensor(numbers, dtype=torch.float32)
    encoded = TopK(COUNT, kept).encode(change_P)
    ranked = sorted(range(COUNT), key=lambda place: (-abs(numbers[place]), place))
    assert encoded[INDICES].tolist() == sorted(ranked[:kept])
    assert encoded[VALUES].tolist() == [numbers[place] for place in encoded[INDICES].tolist()]
    back_P = TopK(COUNT, kept).decode(encoded)
    assert torch.equal(back_P[encoded[INDICES].long()], encoded[VALUES])
    assert int((back_P != 0).sum()) <= kept


@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_change_that_is_not_finite_does_not_become_so(encoding: ChangeEncoding, value: float) -> None:
    """Otherwise the update of a client whose training diverged would be averaged."""
    change_P = change(2)
    change_P[5] = value
    assert not all(bool(each.isfinite().all()) for each in encoding.encode(change_P).values())


@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda each: type(each).__name__)
def test_with_error_feedback_nothing_is_lost_for_good(encoding: ChangeEncoding) -> None:
    """Σ decoded + the last residual = Σ changes, but for float32's rounding. Without error feedback the sums differ."""
    residual_P = torch.zeros(COUNT)
    sent_P = torch.zeros(COUNT, dtype=torch.float64)
    plain_P = torch.zeros_like(sent_P)
    true_P = torch.zeros_like(sent_P)
    for number in range(30):
        change_P = change(3, number) + 1e-4
        true_P += change_P.double()
        plain_P += encoding.decode(encoding.encode(change_P)).double()
        owed_P = change_P + residual_P
        decoded_P = encoding.decode(encoding.encode(owed_P))
        residual_P = owed_P - decoded_P
        sent_P += decoded_P.double()
    torch.testing.assert_close(sent_P + residual_P.double(), true_P, rtol=1e-5, atol=1e-8)
    assert float((sent_P - true_P).norm()) < float((plain_P - true_P).norm())


@given(st.lists(st.integers(-3, COUNT + 3), min_size=4, max_size=4))
def test_places_that_do_not_grow_within_the_parameters_are_refused(places: list[int]) -> None:
    encoded = {INDICES: torch.tensor(places, dtype=torch.int32), VALUES: torch.ones(4)}
    if sorted(set(places)) == places and places[0] >= 0 and places[-1] < COUNT:
        assert int((TopK(COUNT, 4).decode(encoded) != 0).sum()) == 4
        return
    with pytest.raises(UpdateRefusedError, match="must grow from one to the next, from 0 on and below 30") as refused:
        TopK(COUNT, 4).decode(encoded)
    assert refused.value.reason == RefusalReason.MALFORMED


@pytest.mark.parametrize("scale", [0.0, -0.0, -1.0])
def test_scales_that_are_not_above_zero_are_refused(scale: float) -> None:
    encoded = {INT8: torch.ones(COUNT, dtype=torch.int8), SCALES: torch.tensor([1.0, scale, 1.0])}
    with pytest.raises(UpdateRefusedError, match="a scale is above 0") as refused:
        Int8(SIZES).decode(encoded)
    assert refused.value.reason == RefusalReason.MALFORMED


def plan_of(encoding: object) -> Plan:
    model = {"architecture": "mobilefacenet", "height": 16, "width": 16, "widths": [4, 4, 4], "embedding_size": 4}
    return Plan.model_validate({"model": model, "update_encoding": encoding})


def model_of(encoding_plan: Plan, seed: int) -> dict[str, Tensor]:
    network = initial_network(encoding_plan.model, seed)
    return {name: each.clone() for name, each in network_tensors(network).items()}


def test_statistics_travel_as_they_are() -> None:
    """A variance below zero would make every feature NaN, and no later round would correct it."""
    plan = plan_of({"name": "top-k", "share": 0.01})
    encoding = update_encoding_of(plan)
    before = model_of(plan, 0)
    after = model_of(plan, 1)
    statistics = {name for name in before if name.endswith(("running_mean", "running_var", "num_batches_tracked", "centre"))}
    assert len(statistics) > 10
    for name in statistics:
        after[name] += 3
    uploaded, new_residual_P = encoding.encode(after, before)
    assert uploaded.keys() == statistics | {INDICES, VALUES}
    assert new_residual_P is not None
    model = encoding.decode(uploaded, before)
    assert model.keys() == before.keys()
    assert all(torch.equal(model[name], after[name]) for name in statistics)
    parameters = sum(tensor.numel() for name, tensor in before.items() if name not in statistics)
    assert (len(new_residual_P), encoding.parameters) == (parameters, tuple(sorted(before.keys() - statistics)))
    changed = sum(int((model[name] != before[name]).sum()) for name in encoding.parameters)
    assert changed == len(uploaded[INDICES]) == -(-parameters // 100)


@pytest.mark.parametrize("name", ["float16", "int8", "top-k"])
def test_what_is_uploaded_and_what_is_left_are_the_change_together(name: str) -> None:
    plan = plan_of({"name": name, "error_feedback": True})
    encoding = update_encoding_of(plan)
    before = model_of(plan, 0)
    after = model_of(plan, 1)
    owed_P = torch.randn(sum(before[each].numel() for each in encoding.parameters), generator=generator("owed"))
    uploaded, new_residual_P = encoding.encode(after, before, owed_P)
    assert new_residual_P is not None
    first = 0
    model = encoding.decode(uploaded, before)
    for each in encoding.parameters:
        size = before[each].numel()
        moved = (model[each].double() - before[each].double()).view(-1) + new_residual_P[first : first + size].double()
        expected = (after[each].double() - before[each].double()).view(-1) + owed_P[first : first + size].double()
        torch.testing.assert_close(moved, expected, rtol=1e-5, atol=1e-6)
        first += size


def test_plain_encodings_leave_no_residual_and_float32_is_the_model_itself() -> None:
    for encoding in ("float16", {"name": "int8", "error_feedback": False}, {"name": "top-k", "error_feedback": False}):
        plan = plan_of(encoding)
        assert update_encoding_of(plan).encode(model_of(plan, 1), model_of(plan, 0))[1] is None
    plan = plan_of("float32")
    assert update_encoding_of(plan) is WHOLE_MODEL
    model = model_of(plan, 1)
    assert WHOLE_MODEL.encode(model, {}) == (model, None)
    assert WHOLE_MODEL.layout(model) is model


@pytest.mark.parametrize("share", [1.0, 0.1, 0.0011, 1e-9])
def test_the_share_that_is_kept_is_rounded_up(share: float) -> None:
    plan = plan_of({"name": "top-k", "share": share})
    encoding = update_encoding_of(plan).change
    assert isinstance(encoding, TopK)
    assert max(1, share * encoding.count) <= encoding.kept < share * encoding.count + 1
