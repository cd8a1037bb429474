"""The exact sum of changes: against sums done by hand and by fractions, in any order and grouping, and at its bounds."""

from __future__ import annotations

import io
from fractions import Fraction
from functools import lru_cache
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from fedface_core.domain.errors import DamagedObjectError
from fedface_core.domain.plan.fixed_point import fraction_bits
from fedface_core.domain.plan.part import MOST
from fedface_core.domain.update import AcceptedUpdate
from fedface_learning.aggregation import TrainingPartial
from fedface_learning.aggregation.average_in_place import average_in_place
from fedface_learning.aggregation.exact_sum import SUM, ExactSum, Moved, StoredSum
from fedface_learning.formats.codec import encode_tensors, sha256_hex
from fedface_learning.formats.stored_tensors import StoredTensors
from fedface_learning.models import EmbeddingNetwork, initial_network
from fedface_learning.models.weights import network_tensors
from fedface_learning.updates.form import in_one_block
from support.server_rounds import server_round, starting_point, stored_again
from support.small_networks import MOBILE, small_plan

BITS = 40
START = {"a": torch.tensor([1.0, -2.0]), "b": torch.tensor(0.5), "batches": torch.tensor(3)}


def summed(models: list[dict[str, Tensor]], weights: list[float], bits: int = BITS) -> ExactSum:
    total = ExactSum()
    for model, weight in zip(models, weights, strict=True):
        total.add(model, START, weight, bits)
    return total


def values_of(total: ExactSum) -> list[float]:
    """The sum as real numbers."""
    [(_, values_P)] = total.blocks(total.length, 0)
    return list(values_P.tolist())


def stored(total: ExactSum) -> StoredSum:
    return StoredSum(StoredTensors(io.BytesIO(encode_tensors(total.tensors()))), total.fraction_bits)


def test_three_clients_worked_by_hand() -> None:
    # n = 1, 2, 5, from a = (1, −2) and b = 0.5.
    # a: 1·(2−1) + 2·(−1−1) + 5·(4−1) = 12;   1·(0+2) + 2·(3+2) + 5·(−2+2) = 12
    # b: 1·7.5 + 2·7.5 + 5·(−0.5) = 20
    # batches: an integer, so the largest of 7, 9, 4
    models = [
        {"a": torch.tensor([2.0, 0.0]), "b": torch.tensor(8.0), "batches": torch.tensor(7)},
        {"a": torch.tensor([-1.0, 3.0]), "b": torch.tensor(8.0), "batches": torch.tensor(9)},
        {"a": torch.tensor([4.0, -2.0]), "b": torch.tensor(0.0), "batches": torch.tensor(4)},
    ]
    before = [{name: tensor.clone() for name, tensor in model.items()} for model in models]
    total = summed(models, [1, 2, 5])
    assert values_of(total) == [12.0, 12.0, 20.0]
    assert {name: int(counter) for name, counter in total.counters().items()} == {"batches": 9}
    assert total.tensors()[SUM].tolist() == [12 * 2**BITS, 12 * 2**BITS, 20 * 2**BITS]
    assert all(torch.equal(model[name], old[name]) for model, old in zip(models, before, strict=True) for name in model)


def test_a_product_is_rounded_to_the_nearest_unit_and_ties_to_even() -> None:
    # In units of 1/4: 0.5 · 0.75 is 1.5 units, 0.5 · 1.25 is 2.5 and 0.5 · −1.125 is −2.25.
    model = {"a": torch.tensor([1.75, -0.75]), "b": torch.tensor(-0.625), "batches": torch.tensor(3)}
    assert summed([model], [0.5], bits=2).tensors()[SUM].tolist() == [2, 2, -2]


NUMBERS = st.floats(-100, 100, width=32, allow_subnormal=False)


@given(st.lists(st.tuples(NUMBERS, NUMBERS, st.integers(1, 5000)), min_size=1, max_size=8), st.integers(0, 2))
@settings(max_examples=100, deadline=None)
def test_a_parameter_is_summed_to_within_half_a_unit_for_each_client(
    clients: list[tuple[float, float, int]], behind: int
) -> None:
    """Against fractions, which round nothing. Where float64 rounds the product too, a quarter of a unit may come to it."""
    bits = fraction_bits(200, 5000, 8)
    total = ExactSum()
    exact = Fraction(0)
    allowed = Fraction(0)
    for before, after, images in clients:
        weight = images * (1 + behind) ** -0.5
        total.add_parts(1, [Moved(0, torch.tensor([after]), torch.tensor([before]))], {}, weight, bits)
        contribution = Fraction(weight) * (Fraction(after) - Fraction(before))
        exact += contribution
        allowed += Fraction(1, 2) if Fraction((after - before) * weight) == contribution else Fraction(3, 4)
    assert abs(int(total.tensors()[SUM][0]) - exact * 2**bits) <= allowed


@given(
    st.floats(1e-12, 1e12),
    st.integers(1, MOST),
    st.integers(1, MOST),
    st.sampled_from([-1.0, 1.0, 1 / 3, -0.999]),
)
@settings(max_examples=100, deadline=None)
def test_no_sum_of_the_largest_updates_leaves_its_64_bits(norm: float, images: int, clients: int, share: float) -> None:
    """Each of the most clients moves a parameter by the largest norm, in one direction, with the most images."""
    bits = fraction_bits(norm, images, clients)
    change = torch.tensor([norm * share * (1 + 1e-6)], dtype=torch.float64)  # the norm of an update may be rounded down
    one = ExactSum()
    one.add_parts(1, [Moved(0, change, torch.zeros(1))], {}, images, bits)
    [contribution] = one.tensors()[SUM].tolist()
    assert contribution == round(Fraction(float(change[0] * images)) * Fraction(2) ** bits)
    assert abs(contribution) <= 2**50
    total = ExactSum()
    for place in range(clients.bit_length()):  # the sum of 1, 2, 4, … of them
        if clients >> place & 1:
            total.merge(one)
        one.merge(stored(one))
    assert total.tensors()[SUM].tolist() == [clients * contribution]
    assert abs(clients * contribution) <= 2**62


def test_sums_of_another_model_or_another_unit_do_not_go_together() -> None:
    model = {**START, "a": torch.zeros(2)}
    total = summed([model], [1])
    with pytest.raises(DamagedObjectError, match=r"a sum of 3 values in units of 2\^-39 does not go into one of 3 values"):
        total.merge(stored(summed([model], [1], bits=39)))
    other = ExactSum()
    other.add({"a": torch.zeros(2)}, START, 1, BITS)
    with pytest.raises(DamagedObjectError, match=r"a sum of 2 values in units of 2\^-40 does not go into one of 3 values"):
        total.merge(other)


@pytest.mark.parametrize(
    ("tensors", "bits", "problem"),
    [
        ({SUM: torch.zeros(3)}, 40, "must be a flat int64 tensor; it is torch.float32"),
        ({SUM: torch.zeros(3, 1, dtype=torch.int64)}, 40, r"of the shape \(3, 1\)"),
        ({SUM: torch.zeros(3, dtype=torch.int64)}, None, "this one has one of them"),
        ({}, 40, "this one has one of them"),
    ],
)
def test_what_is_no_exact_sum_is_damaged(tensors: dict[str, Tensor], bits: int | None, problem: str) -> None:
    with pytest.raises(DamagedObjectError, match=problem):
        StoredSum(StoredTensors(io.BytesIO(encode_tensors(tensors))), bits)


PLAN = small_plan(model=MOBILE | {"embedding_size": 4}, cohort={"minimum": 1}, split={"clients": 6, "test": 2})


@lru_cache
def start_model() -> dict[str, Tensor]:
    return network_tensors(initial_network(PLAN.model, 0))


@lru_cache
def trained(client: int) -> dict[str, Tensor]:
    """The model of a client, with another change of each tensor and another counter."""
    draws = torch.Generator().manual_seed(client)
    return {
        name: tensor + 1e-3 * torch.randn(tensor.shape, generator=draws)
        if tensor.is_floating_point()
        else tensor + client % 2
        for name, tensor in start_model().items()
    }


@lru_cache
def stored_partial(client: int) -> bytes:
    """The partial of one client, as an object."""
    images = 1 + client
    data = encode_tensors(trained(client), {"images": images})
    accepted = AcceptedUpdate(
        sha256=sha256_hex(data), size=len(data), images=images, loss_before=1 / (1 + client), loss_after=0.1 * client
    )
    partial = TrainingPartial()
    start = starting_point(PLAN, start_model())
    partial.fold(f"client-{client:06d}", accepted, in_one_block(data), start)
    assert partial.refused == {}
    return b"".join(partial.encoded_parts())


def folded(client: int) -> TrainingPartial:
    return TrainingPartial.read(io.BytesIO(stored_partial(client)))


Tree = int | tuple[Any, Any]


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Six clients in any order, in pairs of groups in pairs of groups."""
    groups: list[Tree] = list(draw(st.permutations(range(6))))
    while len(groups) > 1:
        first = draw(st.integers(0, len(groups) - 2))
        groups[first : first + 2] = [(groups[first], groups[first + 1])]
    return groups[0]


def of_tree(tree: Tree) -> TrainingPartial:
    """The partial of a tree; each group is stored and read again before it is merged."""
    if isinstance(tree, int):
        return folded(tree)
    total = TrainingPartial()
    for branch in tree:
        total.merge(of_tree(branch))
    return stored_again(total)


@given(trees())
@settings(max_examples=40, deadline=None)
def test_any_order_and_grouping_of_updates_makes_equal_bytes(tree: Tree) -> None:
    in_order = TrainingPartial()
    grouped = TrainingPartial()
    grouped.merge(of_tree(tree))
    for client in range(6):
        in_order.merge(folded(client))
    assert b"".join(grouped.encoded_parts()) == b"".join(in_order.encoded_parts())


def averaged(partial: TrainingPartial) -> EmbeddingNetwork:
    network = initial_network(PLAN.model, 0)
    total = TrainingPartial()
    total.merge(partial)
    total.average(server_round(PLAN, network, torch.eye(6, 4)))
    return network


def test_the_average_is_the_mean_of_the_models_and_a_counter_takes_the_largest() -> None:
    total = TrainingPartial()
    for client in range(6):
        total.merge(folded(client))
    network = averaged(total)
    for name, tensor in network_tensors(network).items():
        models = torch.stack([trained(client)[name] for client in range(6)])
        if tensor.is_floating_point():
            weights = torch.arange(1, 7, dtype=torch.float64).view(-1, *[1] * tensor.dim())
            mean = (weights * models.double()).sum(0) / 21
            torch.testing.assert_close(tensor, mean.float(), rtol=1e-7, atol=1e-12)
        else:
            assert tensor == models.max()


def test_a_variance_is_never_below_zero_and_the_average_of_one_client_is_its_model() -> None:
    network = initial_network(PLAN.model, 0)
    old = network_tensors(network)
    below = {name: tensor - 2 if name.endswith("running_var") else tensor.clone() for name, tensor in old.items()}
    changes = ExactSum()
    changes.add(below, old, 3, PLAN.fraction_bits)
    moments, norm = average_in_place(server_round(PLAN, network, torch.eye(6, 4)), old, changes, 3)
    variances = [layer.running_var for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert variances
    assert all(variance is not None and float(variance.abs().max()) == 0 for variance in variances)
    assert moments == {}
    assert norm == pytest.approx(sum(len(variance) for variance in variances if variance is not None) ** 0.5)
    alone = averaged(folded(3))
    for name, tensor in network_tensors(alone).items():  # of four images, so within an eighth of a unit
        torch.testing.assert_close(tensor, trained(3)[name], rtol=0, atol=2.0**-PLAN.fraction_bits / 8)


def test_more_updates_than_clients_are_invited_are_refused() -> None:
    total = TrainingPartial()
    for _ in range(7):
        total.merge(folded(1))
    with pytest.raises(DamagedObjectError, match="hold 7 updates, and only 6 clients are invited"):
        averaged(total)
