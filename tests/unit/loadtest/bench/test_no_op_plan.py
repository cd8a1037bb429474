"""The no-op plan is a plan, and its data set has all identities."""

from __future__ import annotations

from pathlib import Path

from fedface_core.domain.plan import Plan
from fedface_learning.data import ImageSize, open_dataset
from fedface_learning.models import initial_network
from loadtest.bench.no_op_plan import no_op_plan, write_noise_photographs


def test_the_data_set_has_all_identities_of_the_plan(tmp_path: Path) -> None:
    plan = Plan.model_validate(no_op_plan(clients=5, rounds=1) | write_noise_photographs(tmp_path, 5))
    dataset = open_dataset(plan.data, ImageSize.of(plan.model), plan.split.identities)
    assert len(dataset.identities) == plan.split.identities == 13
    assert dataset.images(dataset.identities[0]).shape == (2, 1, 28, 24)


def test_its_network_is_tiny_and_takes_no_step() -> None:
    plan = Plan.model_validate(no_op_plan(clients=5, rounds=1))
    assert plan.local_training.steps == 0
    assert sum(parameter.numel() for parameter in initial_network(plan.model, 0).parameters()) == 2060
