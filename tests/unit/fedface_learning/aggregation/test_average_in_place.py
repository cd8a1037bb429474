"""The average is made in the memory of the network, also if that holds its kernels channels-last, as networks here do."""

from __future__ import annotations

import torch
from torch.profiler import ProfilerActivity, profile

from fedface_core.domain.ids import client_id
from fedface_learning.models import initial_network
from fedface_learning.models.weights import network_tensors
from support.combined_updates import folded
from support.server_rounds import server_round, starting_point
from support.small_networks import small_plan

PLAN = small_plan(model={"architecture": "spherenet-64", "widths": [16, 16, 16, 16]})


def test_no_second_model_is_made() -> None:
    """By the allocations that torch's profiler records: what is made and not freed yet, at the end of each operation."""
    network = initial_network(PLAN.model, 0)
    model = network_tensors(network)
    assert not all(tensor.is_contiguous() for tensor in network.state_dict().values()), "it has channels-last kernels"
    kernels = [tensor.nbytes for tensor in network.state_dict().values() if not tensor.is_contiguous()]
    model_bytes = sum(tensor.nbytes for tensor in model.values())
    assert sum(kernels) > 0.8 * model_bytes, "they are most of it"
    partial = folded({client_id(0): 1e-3}, starting_point(PLAN, model), model)
    before = server_round(PLAN, network, torch.eye(6, PLAN.model.embedding_size))
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        partial.average(before)
    live = 0
    peak = 0
    for event in sorted(profiled.events(), key=lambda event: event.time_range.end):
        live += event.self_cpu_memory_usage
        peak = max(peak, live)
    assert 0 < peak < model_bytes / 2
