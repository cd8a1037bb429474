"""The average is made in the memory of network and sum, also if kernels are channels-last, as in networks here."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_learning.aggregation.average_in_place import average_in_place
from fedface_learning.aggregation.exact_sum import ExactSum
from fedface_learning.aggregation.server_optimiser import take_server_step
from fedface_learning.aggregation.server_state import join_states
from fedface_learning.formats.codec import encode_tensors
from fedface_learning.formats.stored_tensors import PART_BYTES, StoredTensors
from fedface_learning.models import initial_network
from fedface_learning.models.weights import encode_in_place, encode_network, network_tensors
from support.combined_updates import folded
from support.server_rounds import server_round, starting_point
from support.small_networks import small_plan

OPTIMISERS = ["average", "momentum", "adam", "yogi", "sgd"]


def plan_with(optimiser: str, **model: Any) -> Plan:
    return small_plan(model=model, aggregation={"optimiser": {"name": optimiser}})


def state_of(moments: dict[str, Tensor]) -> StoredTensors:
    return StoredTensors(io.BytesIO(encode_tensors(join_states(moments, {"own": torch.ones(3)}))))


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_neither_a_second_model_nor_moments_take_memory(optimiser: str) -> None:
    """By the allocations that torch's profiler records: what is made and not freed yet, at the end of each operation."""
    plan = plan_with(optimiser, architecture="spherenet-64", widths=[16, 16, 16, 16])
    network = initial_network(plan.model, 0)
    model = network_tensors(network)
    assert not all(tensor.is_contiguous() for tensor in network.state_dict().values()), "it has channels-last kernels"
    kernels = [tensor.nbytes for tensor in network.state_dict().values() if not tensor.is_contiguous()]
    model_bytes = sum(tensor.nbytes for tensor in model.values())
    assert sum(kernels) > 0.8 * model_bytes, "they are most of it"
    start = starting_point(plan, model)
    first = folded({client_id(0): 1e-3}, start, model).average(server_round(plan, network, torch.eye(6, 8)))
    assert bool(first.moments) == (optimiser != "average")
    before = replace(first.server_round, moments=state_of(dict(first.moments)))
    partial = folded({client_id(0): 1e-3}, start, model)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        averaged = partial.average(before)
    live = 0
    peak = 0
    for event in sorted(profiled.events(), key=lambda event: event.time_range.end):
        live += event.self_cpu_memory_usage
        peak = max(peak, live)
    assert 0 < peak < model_bytes / 2
    assert averaged.moments.keys() == first.moments.keys()


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_block_by_block_is_the_step_of_whole_tensors(optimiser: str) -> None:
    plan = plan_with(optimiser, architecture="spherenet-4", widths=[8, 8, 96, 128])
    network = initial_network(plan.model, 0)
    parameters = [name for name, _ in network.named_parameters()]
    assert max(parameter.nbytes for parameter in network.parameters()) > 2.5 * PART_BYTES, "one has several blocks"
    class_embeddings_CD = torch.eye(6, plan.model.embedding_size)
    whole_state: dict[str, Tensor] = {}
    stored: StoredTensors | None = None
    draws = torch.Generator().manual_seed(5)
    for _ in range(3):
        old = {name: tensor.clone() for name, tensor in network_tensors(network).items()}
        moved = {
            name: tensor + 1e-3 * torch.randn(tensor.shape, generator=draws) if tensor.is_floating_point() else tensor
            for name, tensor in old.items()
        }
        changes = ExactSum()
        changes.add(moved, old, 1, plan.fraction_bits)
        average = {
            name: (
                old[name].double()
                + (moved[name].double() - old[name].double())
                .mul(2.0**plan.fraction_bits)
                .round()
                .div(2.0**plan.fraction_bits)
            ).to(old[name].dtype)
            if old[name].is_floating_point()
            else old[name]
            for name in old
        }
        before = replace(server_round(plan, network, class_embeddings_CD), moments=stored)
        moments, _ = average_in_place(before, old, changes, 1)
        client_share, share = plan.rate_shares(before.number)
        rate = plan.local_training.learning_rate * client_share
        whole, whole_state = take_server_step(average, old, parameters, plan.aggregation.optimiser, whole_state, share, rate)
        found = network_tensors(network)
        assert all(torch.equal(found[name], whole[name]) for name in whole)
        assert moments.keys() == whole_state.keys()
        assert all(torch.equal(moments[key], whole_state[key]) for key in moments)
        stored = state_of(moments)


def test_a_network_is_encoded_in_its_own_memory() -> None:
    network = initial_network(plan_with("average", architecture="spherenet-4").model, 0)
    data = encode_network(network)
    _header, *parts = encode_in_place(network)
    assert b"".join([_header, *parts]) == data
    own = {parameter.data_ptr() for parameter in network.parameters()} | {buffer.data_ptr() for buffer in network.buffers()}
    assert {torch.frombuffer(part, dtype=torch.uint8).data_ptr() for part in parts if len(part)} <= own
