"""Improved residual networks: their published sizes, and what their features may depend on."""

from __future__ import annotations

import pytest
import torch

from fedface_core.domain.plan import ModelPlan
from fedface_learning.models import build_network, initial_network

SMALL = {"height": 32, "width": 16, "channels": 1, "embedding_size": 8, "widths": (8, 8, 8, 16)}


@pytest.mark.parametrize(("architecture", "millions"), [("iresnet-18", 24.02), ("iresnet-50", 43.59), ("ir-50", 43.57)])
def test_published_networks_have_so_many_parameters(architecture: str, millions: float) -> None:
    with torch.device("meta"):
        network = build_network(ModelPlan.model_validate({"architecture": architecture}))
    assert sum(parameter.numel() for parameter in network.parameters()) == pytest.approx(millions * 1e6, rel=0.001)


def test_convolutions_start_as_insightface_draws_them() -> None:
    network = initial_network(ModelPlan.model_validate({"architecture": "iresnet-18", **SMALL}), seed=0)
    drawn = torch.cat([weight.flatten() for weight in network.parameters() if weight.ndim == 4])
    torch.testing.assert_close(drawn.std(), torch.tensor(0.1), rtol=0.05, atol=0)
