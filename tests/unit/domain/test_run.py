"""A run's phases, and what an operator may do in each."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product

import pytest

from fedface_core.domain.errors import WrongPhaseError
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import (
    ALLOWED,
    Run,
    RunPhase,
    begin_round,
    end,
    prompt_again,
    require_allowed,
    start,
    with_model,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2026, 1, 2, tzinfo=UTC)


def a_run(phase: RunPhase = RunPhase.CREATED) -> Run:
    return Run(id="run-0123456789ab", plan=Plan(), phase=phase, correlation_id="c", created_at=NOW)


@pytest.mark.parametrize(("action", "phase"), [*product(ALLOWED, RunPhase)])
def test_an_action_is_allowed_or_refused_with_what_is_allowed(action: str, phase: RunPhase) -> None:
    run = a_run(phase)
    if phase in ALLOWED[action]:
        require_allowed(run, action)
        return
    with pytest.raises(WrongPhaseError) as refused:
        require_allowed(run, action)
    message = str(refused.value)
    allowed = [name for name, phases in ALLOWED.items() if phase in phases]
    assert message == (
        f"cannot {action}: run-0123456789ab is {phase.value}, which allows {', '.join(allowed) or 'nothing more'}"
    )


def test_the_steps_of_a_run() -> None:
    started = start(a_run(), LATER)
    assert (started.phase, started.started_at, started.prompted_at) == (RunPhase.PREPARING, LATER, LATER)
    assert prompt_again(started, NOW).prompted_at == NOW
    running = begin_round(with_model(started, "a" * 64), 0)
    assert (running.phase, running.round, running.model_sha256) == (RunPhase.RUNNING, 0, "a" * 64)
    newer = with_model(running, "b" * 64)
    assert (newer.round, newer.model_sha256) == (0, "b" * 64)
    completed = end(newer, RunPhase.COMPLETED, LATER)
    assert (completed.phase, completed.ended_at, completed.failure) == (RunPhase.COMPLETED, LATER, None)
    assert end(newer, RunPhase.FAILED, LATER, failure="no disk").failure == "no disk"
    assert completed.version == 0, "only the ledger counts versions"


def test_a_run_does_not_end_in_a_phase_that_is_no_end() -> None:
    with pytest.raises(AssertionError):
        end(a_run(), RunPhase.RUNNING, NOW)
