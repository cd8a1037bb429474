"""MobileFaceNet: its size by the paper, the sizes of images that it takes, and its batch statistics."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from fedface_core.domain.plan import ModelPlan
from fedface_learning.models import build_network, initial_network
from fedface_learning.models.weights import network_tensors

SMALL = {
    "architecture": "mobilefacenet",
    "height": 32,
    "width": 16,
    "channels": 1,
    "embedding_size": 8,
    "widths": (4, 6, 8),
}


def test_mobilefacenet_of_the_paper_has_a_million_parameters() -> None:
    network = build_network(ModelPlan.model_validate({"architecture": "mobilefacenet"}))
    assert sum(parameter.numel() for parameter in network.parameters()) == pytest.approx(0.99e6, rel=0.02)


def test_mobilefacenet_says_which_sizes_it_takes() -> None:
    with pytest.raises(ValidationError, match="16 must divide 32×24"):
        ModelPlan.model_validate({**SMALL, "width": 24})


def test_mobilefacenet_keeps_batch_statistics() -> None:
    network = initial_network(ModelPlan.model_validate(SMALL), seed=0)
    images_NCHW = torch.randint(0, 256, (2, 1, 32, 16), generator=torch.Generator().manual_seed(1))
    network(images_NCHW.float())
    tensors = network_tensors(network)
    assert tensors["trunk.1.num_batches_tracked"].item() == 1
    assert tensors["trunk.1.running_mean"].abs().max() > 0


def test_only_bottlenecks_that_keep_the_shape_have_a_shortcut() -> None:
    network = build_network(ModelPlan.model_validate(SMALL))
    shortcuts = [module.shortcut for module in network.modules() if hasattr(module, "shortcut")]
    # Of each row of the paper's table the first has a stride or another width, but for the row of stride 1.
    assert shortcuts == [False, *[True] * 4, False, *[True] * 6, False, *[True] * 2]
