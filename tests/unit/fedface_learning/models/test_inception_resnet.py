"""Inception-ResNet-v1: its published size, and the smallest images that it takes."""

from __future__ import annotations

import pytest
import torch

from fedface_core.domain.plan import ModelPlan
from fedface_learning.models import build_network, initial_network


def test_the_published_network_has_so_many_parameters() -> None:
    with torch.device("meta"):
        network = build_network(ModelPlan.model_validate({"architecture": "inception-resnet-v1"}))
    assert sum(parameter.numel() for parameter in network.parameters()) == pytest.approx(23.48e6, rel=0.001)


def test_the_smallest_image_leaves_one_place() -> None:
    small = {"architecture": "inception-resnet-v1", "height": 75, "width": 75, "widths": (16,), "embedding_size": 8}
    network = initial_network(ModelPlan.model_validate(small), seed=0).eval()
    with torch.no_grad():
        assert network.features(torch.zeros(1, 3, 75, 75)).isfinite().all()
