"""The size of a network is that of the network that is built, for each architecture and for odd sizes."""

from __future__ import annotations

import sys
from typing import Any, get_args

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from fedface_core.domain.network_size import improved_blocks, network_size
from fedface_core.domain.plan import ModelPlan
from fedface_core.domain.plan.model import Architecture
from fedface_learning.models import build_network

ODD: list[dict[str, Any]] = [
    {"architecture": "spherenet-10", "height": 57, "width": 43, "channels": 1, "embedding_size": 7, "widths": [3, 5, 9, 4]},
    {"architecture": "mobilefacenet", "height": 48, "width": 80, "channels": 1, "embedding_size": 5, "widths": [8, 8, 24]},
    {"architecture": "mobilefacenet", "height": 64, "width": 32, "widths": [16, 24, 8]},
    {"architecture": "iresnet-18", "height": 37, "width": 50, "embedding_size": 9, "widths": [8, 8, 16, 16]},
    {"architecture": "adaface-ir-18", "height": 37, "width": 50, "channels": 1, "widths": [8, 8, 16, 16]},
    {"architecture": "ir-50", "height": 33, "width": 20, "embedding_size": 9, "widths": [8, 8, 16, 8]},
    {"architecture": "ir-se-50", "height": 33, "width": 20, "embedding_size": 9, "widths": [16, 16, 32, 32]},
    {"architecture": "inception-resnet-v1", "height": 97, "width": 75, "channels": 1, "widths": [16]},
]


def check(plan: ModelPlan) -> None:
    with torch.device("meta"):
        network = build_network(plan).eval()
        pixels_NCHW = torch.empty(1, plan.channels, plan.height, plan.width)
    outputs = 0

    def count(_module: object, _inputs: object, output: torch.Tensor) -> None:
        nonlocal outputs
        outputs += output.numel()

    for module in network.modules():
        if not [*module.children()]:
            module.register_forward_hook(count)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.features_of_pixels(pixels_NCHW)
    size = network_size(plan)
    assert size.parameters == sum(parameter.numel() for parameter in network.parameters())
    assert 2 * size.multiplications == counter.get_total_flops()
    assert outputs <= size.activations <= 3 * outputs, "dlib's scale and ReLU are no modules"


@pytest.mark.slow  # networks of 150 layers
@pytest.mark.parametrize("architecture", get_args(Architecture))
def test_it_is_that_of_the_network(architecture: str) -> None:
    check(ModelPlan.model_validate({"architecture": architecture}))


@pytest.mark.parametrize("plan", ODD, ids=lambda plan: f"{plan['architecture']}-{plan['height']}")
def test_it_is_so_for_odd_sizes(plan: dict[str, Any]) -> None:
    check(ModelPlan.model_validate(plan))


def test_the_number_in_the_name_gives_the_blocks() -> None:
    plan = ModelPlan.model_validate({"architecture": "adaface-ir-101"})
    assert improved_blocks(plan) == (3, 13, 30, 3)


def test_the_largest_plans_are_no_work() -> None:
    for architecture in get_args(Architecture):
        plan = ModelPlan.model_validate({"architecture": architecture})
        if architecture != "dlib-resnet":
            largest = {"height": 16_384, "width": 16_384, "embedding_size": 65_536, "widths": [65_536] * len(plan.widths)}
            plan = ModelPlan.model_validate({"architecture": architecture} | largest)
        size = network_size(plan)
        assert 0 < size.parameters <= size.multiplications < sys.maxsize**2
