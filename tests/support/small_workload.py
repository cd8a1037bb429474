"""A workload of one client with four images of noise."""

from __future__ import annotations

import torch
from torch.nn.functional import normalize

from fedface_core.domain.plan import Plan
from fedface_learning.models import EmbeddingNetwork, initial_network
from loadtest.bare.workload import Workload
from loadtest.bench.plan_workload import workload_of


def small_workload(network_plan: dict[str, object]) -> tuple[Plan, EmbeddingNetwork, Workload]:
    """A plan of three steps with this network of 32×32 pixels, its initial network, and the workload of both."""
    plan = Plan.model_validate({"model": network_plan, "local_training": {"steps": 3}})
    network = initial_network(plan.model, plan.seed)
    draws = torch.Generator().manual_seed(0)
    images_CNCHW = torch.randint(256, (1, 4, 1, 32, 32), dtype=torch.uint8, generator=draws)
    row_CD = normalize(torch.randn(1, 16, generator=draws), dim=1)
    return plan, network, workload_of(plan, images_CNCHW, row_CD, network)
