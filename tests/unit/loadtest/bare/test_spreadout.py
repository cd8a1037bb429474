"""The bare loop's spreadout is that of FedFace."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from fedface_core.domain.plan.spreadout import SpreadoutPlan
from fedface_learning.objectives import spreadout as ours
from loadtest.bare.spreadout import spread
from loadtest.bare.workload import Spreadout


@pytest.mark.parametrize("clients", [1, 2, 40])
@pytest.mark.parametrize("margin", [-0.2, 0.3, 0.99])
def test_its_spreadout_is_ours(clients: int, margin: float) -> None:
    rows_CD = normalize(1.0 + torch.randn(clients, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    plan = SpreadoutPlan(margin=margin)
    plain = Spreadout(steps=plan.steps, learning_rate=plan.learning_rate, weight=plan.weight, margin=plan.margin)
    expected_CD, _ = ours.spread(rows_CD, plan)
    torch.testing.assert_close(spread(rows_CD, plain), expected_CD, rtol=0, atol=1e-6)  # ours takes cosines in float32
