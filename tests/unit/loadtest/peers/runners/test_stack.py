"""What a variant of our own system means: the artifact store, and how updates are delivered."""

from __future__ import annotations

import pytest

from fedface_core.domain.plan import Plan
from loadtest.peers.runners.stack import plan_of
from loadtest.peers.systems import SYSTEMS


@pytest.mark.parametrize(
    ("system", "store", "delivery"),
    [("ours", "directory", "single"), ("ours-combined", "directory", "combined"), ("ours-s3", "s3", "single")],
)
def test_the_plan_and_the_store_are_those_of_the_variant(system: str, store: str, delivery: str) -> None:
    workload = Plan()
    plan, artifacts = plan_of(SYSTEMS[system].variant, workload, 5)
    assert (artifacts, plan.delivery, plan.rounds) == (store, delivery, 6)
    assert plan == workload.model_copy(update={"delivery": delivery, "rounds": 6})
