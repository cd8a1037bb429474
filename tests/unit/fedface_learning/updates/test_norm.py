"""The norm of an update, and the plan's bound on it."""

from __future__ import annotations

import math

import pytest
import torch

from fedface_core.domain.errors import UpdateRefusedError
from fedface_learning.updates.norm import check_norm, clearly_within, update_norm


def test_the_norm_is_over_all_floating_point_tensors() -> None:
    before = {"weight": torch.zeros(2), "mean": torch.zeros(1), "batches": torch.tensor(0)}
    after = {"weight": torch.tensor([3.0, 0.0]), "mean": torch.tensor([4.0]), "batches": torch.tensor(100)}
    assert update_norm(after, before) == 5.0


@pytest.mark.parametrize("found", [5.000001, math.inf, math.nan])
def test_a_norm_above_the_bound_is_refused(found: float) -> None:
    check_norm(5.0, 5.0)
    with pytest.raises(UpdateRefusedError, match="at most 5 is allowed") as refused:
        check_norm(found, 5.0)
    assert refused.value.reason == "norm_exceeded"


@pytest.mark.parametrize(("rough", "clear"), [(0.0, True), (4.99, True), (4.996, False), (5.0, False), (math.nan, False)])
def test_a_rough_norm_near_the_bound_is_not_clearly_within(rough: float, clear: bool) -> None:
    assert clearly_within(rough, 5.0) is clear
