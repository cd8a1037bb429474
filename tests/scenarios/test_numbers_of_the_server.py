"""What the aggregator itself computes is not finite: the run fails with a reason that names it, and nothing is put."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from fedface_core.contracts import object_keys
from fedface_core.domain.run import RunPhase
from fedface_learning.aggregation.server_optimiser import take_server_step
from fedface_learning.objectives.spreadout import spread
from support.in_process import InProcess
from support.tiny_run import tiny_plan


def step_to_nan(*arguments: Any) -> Any:
    """The server's step, after which one parameter is not a number."""
    new, moments = take_server_step(*arguments)
    return {name: tensor * math.nan if name == "embedding.bias" else tensor for name, tensor in new.items()}, moments


def spread_to_nan(*arguments: Any) -> Any:
    """Spreadout, after which class embeddings are not numbers."""
    rows_CD, stats = spread(*arguments)
    return rows_CD * math.nan, stats


@pytest.mark.parametrize(
    ("function", "broken", "number", "named"),
    [
        (
            "fedface_learning.aggregation.average_in_place.take_server_step",
            step_to_nan,
            1,
            "averaging, with the server optimiser average, embedding.bias, the norm of the change would not be finite",
        ),
        (
            "fedface_learning.strategies.fedface.spread",
            spread_to_nan,
            0,
            "spreadout, class embeddings (W) would not be finite",
        ),
    ],
)
def test_the_run_fails_before_anything_is_put(
    faces: Path, monkeypatch: pytest.MonkeyPatch, function: str, broken: Any, number: int, named: str
) -> None:
    monkeypatch.setattr(function, broken)
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    before = services.until(run_id, lambda run: run.round == number)
    models = services.ports.artifacts.keys(object_keys.MODELS)
    run = services.to_end(run_id)
    assert run.phase is RunPhase.FAILED
    assert run.failure is not None
    assert run.failure.startswith(f"round {number}: it cannot be reduced: after {named}")
    assert services.ports.artifacts.keys(object_keys.MODELS) == models
    assert run.model_sha256 == before.model_sha256


@pytest.mark.parametrize("part", ["weight", "learning_rate"])
def test_spreadout_takes_no_number_that_overflows(faces: Path, part: str) -> None:
    with pytest.raises(ValidationError, match="less than or equal to 1000000000"):
        tiny_plan(faces, spreadout={part: 1e308})


def test_the_largest_spreadout_completes(faces: Path) -> None:
    services = InProcess(tiny_plan(faces, rounds=1, spreadout={"weight": 1e9, "learning_rate": 1e9, "margin": -1}))
    assert services.run().phase is RunPhase.COMPLETED
