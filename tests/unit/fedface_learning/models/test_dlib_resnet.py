"""dlib's network: padding, shortcuts and initial weights."""

from __future__ import annotations

import torch
from torch.nn import functional

from fedface_core.domain.plan import ModelPlan
from fedface_learning.models import initial_network
from fedface_learning.models.dlib_resnet import DlibResNet, ResidualBlock, ScaledConvolution

DRAWS = torch.Generator().manual_seed(0)


def random_block(*, inputs: int, outputs: int, down: bool) -> ResidualBlock:
    block = ResidualBlock(inputs, outputs, down=down)
    for parameter in block.parameters():
        parameter.data.normal_(generator=DRAWS)
    return block


def test_a_block_that_halves_pads_as_dlib_does() -> None:
    block = random_block(inputs=2, outputs=3, down=True)  # 4×4 → 1×1 by convolution, 2×2 by pooling.
    x_NCHW = torch.rand(1, 2, 4, 4, generator=DRAWS)
    with torch.no_grad():
        y_NCHW = block(x_NCHW)
        inner_NCHW = block.second(block.first(x_NCHW).relu())
    assert inner_NCHW.shape == (1, 3, 1, 1)
    expected_NCHW = torch.zeros(1, 3, 2, 2)
    expected_NCHW[:, :2] = functional.avg_pool2d(x_NCHW, 2)
    expected_NCHW[:, :, :1, :1] += inner_NCHW
    torch.testing.assert_close(y_NCHW, expected_NCHW.relu())


def test_a_block_that_keeps_the_size_adds_its_input() -> None:
    block = random_block(inputs=2, outputs=2, down=False)
    x_NCHW = torch.rand(1, 2, 5, 4, generator=DRAWS)
    with torch.no_grad():
        expected_NCHW = (block.second(block.first(x_NCHW).relu()) + x_NCHW).relu()
        torch.testing.assert_close(block(x_NCHW), expected_NCHW)


def test_scale_and_shift_follow_the_convolution() -> None:
    unit = ScaledConvolution(1, 2, kernel=1, stride=1)
    with torch.no_grad():
        unit.convolution.weight.copy_(torch.tensor([1.0, 10.0]).view(2, 1, 1, 1))
        unit.scale.copy_(torch.tensor([2.0, -1.0]))
        unit.shift.copy_(torch.tensor([0.5, 3.0]))
        y_NCHW = unit(torch.full((1, 1, 1, 1), 4.0))
    assert y_NCHW.flatten().tolist() == [8.5, -37.0]


def test_a_fresh_networks_blocks_pass_their_input_on() -> None:
    network = initial_network(ModelPlan.model_validate({"architecture": "dlib-resnet", "weights": "random"}), seed=0)
    assert isinstance(network, DlibResNet)
    block = network.blocks[0]
    x_NCHW = torch.rand(1, 32, 3, 3, generator=DRAWS)
    with torch.no_grad():
        assert torch.equal(block(x_NCHW), x_NCHW)
