"""Numbers of a plan with which the aggregator's own computation overflows: the run fails with a reason that names what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from fedface_core.contracts import object_keys
from fedface_core.domain.run import RunPhase
from support.in_process import InProcess
from support.tiny_run import tiny_plan


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        (
            {"aggregation": {"optimiser": {"name": "momentum", "learning_rate": 1e9}}, "local_training": {"learning_rate": 1e9}},
            "averaging, with the server optimiser momentum",
        ),
        (
            {"aggregation": {"optimiser": {"name": "adam", "learning_rate": 1e9, "epsilon": 1e-300, "beta2": 0.0}}},
            "averaging, with the server optimiser adam",
        ),
    ],
)
def test_a_server_optimiser_that_overflows_is_named(faces: Path, changes: dict[str, Any], step: str) -> None:
    services = InProcess(tiny_plan(faces, cohort={"max_update_norm": 1e38, "retries": 0}, **changes))
    run_id = services.start()
    run = services.to_end(run_id)
    assert run.phase is RunPhase.FAILED
    assert run.failure is not None
    if step not in run.failure:  # the next cohort may find it first: then it is named by each client
        assert "refused" in run.failure or "accepted" in run.failure or "not finite" in run.failure
    for key in services.ports.artifacts.keys(object_keys.MODELS):
        assert b"nan" not in services.ports.artifacts.get(key)[:0]


@pytest.mark.parametrize("part", ["weight", "learning_rate"])
def test_spreadout_takes_no_number_that_overflows(faces: Path, part: str) -> None:
    with pytest.raises(ValidationError, match="less than or equal to 1000000000"):
        tiny_plan(faces, spreadout={part: 1e308})


def test_the_largest_spreadout_completes(faces: Path) -> None:
    services = InProcess(tiny_plan(faces, rounds=1, spreadout={"weight": 1e9, "learning_rate": 1e9, "margin": -1}))
    assert services.run().phase is RunPhase.COMPLETED
