"""A plan's workload is what a run of the plan starts from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.merge_patch import apply_merge_patch
from fedface_learning.models import initial_network
from fedface_learning.models.weights import network_tensors
from loadtest.bench.plan_workload import enrolled_workload
from support.tiny_run import SIDE, tiny_plan, write_faces


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return tiny_plan(write_faces(tmp_path))


def test_its_clients_are_enrolled_and_its_weights_are_the_initial_ones(plan: Plan) -> None:
    workload = enrolled_workload(plan)
    assert workload.images_CNCHW.shape == (4, 2, 1, SIDE, SIDE)
    torch.testing.assert_close(workload.class_embeddings_CD.norm(dim=1), torch.ones(4))
    initial = network_tensors(initial_network(plan.model, plan.seed))
    assert workload.initial.keys() == initial.keys()
    assert all(torch.equal(tensor, initial[name]) for name, tensor in workload.initial.items())
    assert Plan.model_validate_json(workload.plan) == plan
    assert workload.local.steps == plan.local_training.steps


def test_a_plan_with_batches_has_no_workload(plan: Plan) -> None:
    with pytest.raises(AssertionError, match="the bare loop knows no batches"):
        enrolled_workload(apply_merge_patch(plan, {"local_training": {"batch_size": 1}}))
