"""Each way to train is measured as often as asked, and multiply-adds are counted right."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fedface_core.domain.plan import Plan
from fedface_learning.models import initial_network
from loadtest.bare import BARE_LOOP, BARE_LOOP_CHANNELS_LAST
from loadtest.bench.training_speeds import ONE_AT_A_TIME, measure_speeds, multiply_adds, training_milliseconds
from support.small_networks import MOBILE, TINY


def test_multiply_adds_are_counted_by_hand() -> None:
    network = initial_network(Plan.model_validate({"model": TINY}).model, 0)
    stages = 16 * 16 * 4 * 1 * 9 + 8 * 8 * 8 * 4 * 9 + 4 * 4 * 8 * 8 * 9 + 2 * 2 * 8 * 8 * 9
    assert multiply_adds(network) == stages + 16 * 8 * 2 * 2


@pytest.mark.parametrize("shape", [TINY, MOBILE, TINY | {"architecture": "spherenet-10"}])
def test_multiply_adds_are_the_products_of_every_layer(shape: dict[str, object]) -> None:
    network = initial_network(Plan.model_validate({"model": shape}).model, 0)
    products = []

    def count(layer: nn.Module, _inputs: object, output: torch.Tensor) -> None:
        assert isinstance(layer.weight, torch.Tensor)
        products.append(output[0].numel() * layer.weight[0].numel())

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    assert multiply_adds(network) == sum(products)


def test_each_way_is_measured_as_often_as_asked() -> None:
    speeds = measure_speeds("tiny", TINY, clients=3, repetitions=2, vectorised=(2,))
    assert list(speeds.clients_per_second) == [BARE_LOOP, BARE_LOOP_CHANNELS_LAST, ONE_AT_A_TIME, "2 at once"]
    assert all(len(each.values) == 2 and min(each.values) > 0 for each in speeds.clients_per_second.values())
    assert speeds.ratio(BARE_LOOP).median == 1


@pytest.mark.long
def test_a_client_with_ten_times_the_steps_takes_longer() -> None:
    few, many = (
        training_milliseconds(Plan.model_validate({"model": TINY, "local_training": {"steps": steps}}), images=10, clients=9)
        for steps in (2, 20)
    )
    assert many > 3 * few > 0
