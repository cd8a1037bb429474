"""The base class of the networks: which images it takes, and how it normalises their pixels."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import ModelPlan
from fedface_learning.models import EmbeddingNetwork, build_network
from fedface_learning.models.network import convolution, draw_as_torch_does, linear

SMALL = {
    "architecture": "spherenet-4",
    "height": 32,
    "width": 16,
    "channels": 1,
    "embedding_size": 8,
    "widths": (2, 4, 4, 6),
}


@pytest.fixture
def network() -> EmbeddingNetwork:
    return build_network(ModelPlan.model_validate(SMALL))


@pytest.mark.parametrize("shape", [(2, 1, 16, 32), (2, 3, 32, 16), (1, 32, 16), (2, 1, 32, 17)])
def test_images_of_another_shape_are_refused(network: EmbeddingNetwork, shape: tuple[int, ...]) -> None:
    with pytest.raises(
        InvalidInputError, match=r"spherenet-4 takes images of shape \(N, 1, 32, 16\), uint8 or float, not \("
    ):
        network(torch.zeros(shape, dtype=torch.uint8))


def test_images_of_booleans_are_refused(network: EmbeddingNetwork) -> None:
    with pytest.raises(InvalidInputError, match=r"not \(2, 1, 32, 16\), torch.bool"):
        network(torch.zeros(2, 1, 32, 16, dtype=torch.bool))


def test_pixels_are_centred_at_their_mean_and_scaled(network: EmbeddingNetwork) -> None:
    images_NCHW = torch.tensor([0, 127, 255], dtype=torch.uint8).view(3, 1, 1, 1).expand(3, 1, 32, 16)
    pixels_NCHW = network.pixels(images_NCHW)
    assert pixels_NCHW.dtype == torch.float32
    assert pixels_NCHW[:, 0, 0, 0].tolist() == [-127.5 / 128, -0.5 / 128, 127.5 / 128]


def test_each_channel_has_its_own_pixel_mean() -> None:
    dlib = build_network(ModelPlan.model_validate({"architecture": "dlib-resnet", "weights": "random"}))
    pixels_3 = dlib.pixels(torch.zeros(1, 3, 150, 150))[0, :, 0, 0]
    torch.testing.assert_close(pixels_3, -torch.tensor([122.782, 117.001, 104.298]) / 256)


def test_layers_without_values_leave_torchs_generator_alone() -> None:
    before = torch.random.get_rng_state()
    assert convolution(3, 5, 3, stride=2).weight.shape == (5, 3, 3, 3)
    assert linear(4, 2, bias=False).weight.shape == (2, 4)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    "layer", [convolution(3, 50, 3, groups=1), linear(27, 50, bias=True)], ids=["convolution", "linear"]
)
def test_weights_drawn_as_torch_does_have_its_range(layer: nn.Conv2d | nn.Linear) -> None:
    draw_as_torch_does(layer, torch.Generator().manual_seed(0))
    torchs_own = nn.Linear(27, 50)
    for drawn, own in ((layer.weight, torchs_own.weight), (layer.bias, torchs_own.bias)):
        assert drawn is not None
        torch.testing.assert_close(drawn.abs().max().item(), 27**-0.5, rtol=0.1, atol=0)
        assert drawn.abs().max() <= 27**-0.5
        torch.testing.assert_close(drawn.std(), own.std(), rtol=0.25, atol=0)


def test_a_network_says_what_it_is_fed(network: EmbeddingNetwork) -> None:
    assert (network.pixel_mean, network.pixel_scale) == ((127.5,), 128.0)


def test_layers_are_visited_only_if_the_mode_changes(network: EmbeddingNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[bool] = []
    monkeypatch.setattr(next(network.children()), "train", modes.append)
    for mode in (True, False, False, True):
        assert network.train(mode).training is mode
    assert modes == [False, True]
