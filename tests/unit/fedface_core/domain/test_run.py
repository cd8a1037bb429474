"""A run's phases, and what an operator may do in each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import product
from typing import Any, get_type_hints

import pytest
from pydantic import ValidationError

from fedface_core.domain.errors import WrongPhaseError
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import ALLOWED, RUN_TRANSITIONS, Run, RunChanges, RunMove, RunPhase

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2026, 1, 2, tzinfo=UTC)


def a_run(phase: RunPhase = RunPhase.CREATED) -> Run:
    return Run(id="run-0123456789ab", plan=Plan(), phase=phase, correlation_id="c", created_at=NOW)


@pytest.mark.parametrize(("action", "phase"), [*product(ALLOWED, RunPhase)])
def test_an_action_is_allowed_or_refused_with_what_is_allowed(action: str, phase: RunPhase) -> None:
    run = a_run(phase)
    if phase in ALLOWED[action]:
        run.require_allowed(action)
        return
    with pytest.raises(WrongPhaseError) as refused:
        run.require_allowed(action)
    message = str(refused.value)
    allowed = [name for name, phases in ALLOWED.items() if phase in phases]
    assert message == (
        f"cannot {action}: run-0123456789ab is {phase.value}, which allows {', '.join(allowed) or 'nothing more'}"
    )


def test_the_steps_of_a_run() -> None:
    started = a_run().started(LATER)
    assert (started.phase, started.started_at, started.prompted_at) == (RunPhase.PREPARING, LATER, LATER)
    assert started.with_preparation_requested(NOW).prompted_at == NOW
    running = started.with_model("a" * 64).in_round(0)
    assert (running.phase, running.round, running.model_sha256) == (RunPhase.RUNNING, 0, "a" * 64)
    newer = running.with_model("b" * 64)
    assert (newer.round, newer.model_sha256) == (0, "b" * 64)
    completed = newer.completed(LATER, "8 of 8 rounds are finished")
    assert (completed.phase, completed.ended_at, completed.failure) == (RunPhase.COMPLETED, LATER, None)
    assert newer.failed(LATER, "no disk").failure == "no disk"
    assert completed.version == 0, "only the ledger counts versions"


MOVES: dict[RunMove, Callable[[Run], Run]] = {
    RunMove.START: lambda run: run.started(LATER),
    RunMove.BEGIN_ROUNDS: lambda run: run.in_round(0),
    RunMove.PAUSE: lambda run: run.pausing(),
    RunMove.PAUSE_NOW: lambda run: run.paused_at_once(LATER),
    RunMove.PAUSED: lambda run: run.paused(LATER),
    RunMove.RESUME: lambda run: run.resumed(LATER),
    RunMove.COMPLETE: lambda run: run.completed(LATER, "done"),
    RunMove.FAIL: lambda run: run.failed(LATER, "no disk"),
    RunMove.CANCEL: lambda run: run.cancelled(LATER),
    RunMove.DELETE: lambda run: run.deleting(),
}


@pytest.mark.parametrize(("move", "phase"), [*product(MOVES, RunPhase)])
def test_a_run_moves_exactly_where_its_table_says(move: RunMove, phase: RunPhase) -> None:
    transition = RUN_TRANSITIONS[move]
    if phase in transition.sources:
        assert MOVES[move](a_run(phase)).phase in transition.targets
    elif move is RunMove.BEGIN_ROUNDS:
        assert a_run(phase).in_round(3).phase is phase, "a round that opens in another phase leaves it"
    else:
        with pytest.raises((AssertionError, WrongPhaseError)):
            MOVES[move](a_run(phase))


def test_a_resumed_run_goes_on_where_it_was() -> None:
    paused = a_run(RunPhase.PAUSED).replace(paused_at=NOW)
    assert paused.resumed(LATER).phase is RunPhase.PREPARING
    assert paused.replace(round=0).resumed(LATER).phase is RunPhase.RUNNING
    assert paused.resumed(LATER).paused_seconds == (LATER - NOW).total_seconds()
    assert paused.replace(paused_at=LATER).resumed(NOW).paused_seconds == 0.0, "the clock was set back meanwhile"


def test_what_a_run_changes_are_its_fields() -> None:
    """A name that is no field, or that has another type, passes neither mypy nor this test."""
    fields = get_type_hints(Run, include_extras=False)
    changes = get_type_hints(RunChanges)
    assert changes == {name: fields[name] for name in changes}
    assert fields.keys() - changes.keys() == {
        "schema_version", "id", "plan", "correlation_id", "created_at", "cloned_from", "owner",
    }  # fmt: skip


@pytest.mark.parametrize(
    "wrong", [{"phase": "running late"}, {"round": "one"}, {"model_sha256": "beef"}, {"evaluating": 3}, {"phaze": "running"}]
)
def test_a_wrong_name_or_value_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        a_run().replace(**wrong)
