"""The plain networks are of torch's own layers, and compute what FedFace's networks compute with equal weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fedface_learning.models import initial_network
from fedface_learning.models.weights import network_tensors
from loadtest.bare.loop import normalised_pixels, training_network
from loadtest.bare.networks import plain_network
from loadtest.bench.plan_workload import workload_of
from loadtest.peers.sizes import Size, plan_of
from support.small_networks import MOBILE, TINY
from support.small_workload import small_workload


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("shape", [TINY, MOBILE])
def test_the_bare_network_is_all_torchs_own(shape: dict[str, object], channels_last: bool) -> None:
    _, network, workload = small_workload(shape)
    images_NCHW = workload.images_CNCHW[0]
    plain = training_network(workload.network, channels_last=channels_last).eval()
    plain.load_state_dict(workload.initial)
    layers = [layer for layer in plain.modules() if not [*layer.children()]]
    assert {type(layer) for layer in layers} <= {nn.Conv2d, nn.PReLU, nn.BatchNorm2d, nn.Linear}
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    assert {layer.dilation for layer in convolutions} == {(1, 1)}
    layout = torch.channels_last if channels_last else torch.contiguous_format
    assert all(layer.weight.is_contiguous(memory_format=layout) for layer in convolutions)
    pixels_NCHW = normalised_pixels(images_NCHW, channels_last=channels_last)
    torch.testing.assert_close(plain.embed(pixels_NCHW), network.eval().features(images_NCHW))


@pytest.mark.parametrize("size", Size)
def test_the_plain_network_is_ours_with_the_same_weights(size: Size) -> None:
    plan = plan_of(size)
    model = plan.model
    ours = initial_network(model, 0)
    nothing = torch.empty(1, 1)
    plain = plain_network(workload_of(plan, nothing, nothing, ours).network)
    plain.load_state_dict(network_tensors(ours))
    pixels_NCHW = torch.rand(2, model.channels, model.height, model.width, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        difference = (plain.eval().embed(pixels_NCHW) - ours.eval().features_of_pixels(pixels_NCHW)).abs().max()
    assert difference < 1e-5 * ours.features_of_pixels(pixels_NCHW).abs().max()
