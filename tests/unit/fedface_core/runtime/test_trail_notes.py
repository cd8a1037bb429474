"""Control writes notes into the audit trail: its own at once, those of others as they come, and no more than fit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog

from fedface_core.adapters.memory import ManualClock, MemoryArtifacts, MemoryLedger, RecordingPublisher
from fedface_core.domain.commands import HandleFact
from fedface_core.domain.errors import UnavailableError
from fedface_core.domain.facts import Note, StepFailing, Waiting
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import Run
from fedface_core.ports import Ports
from fedface_core.runtime import trail_notes
from fedface_core.runtime.trail_notes import most_events, note, write_note

RUN = "run-0123456789ab"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
FAILING = StepFailing(run_id=RUN, step="aggregator.fold_shard of shard 3", round=2, reason="no disk")
WAITING = Waiting(run_id=RUN, service="client", reason="S3 does not answer")
OF_CONTROL = StepFailing(run_id=RUN, step="control.sweep", round=None, reason="no disk")


@pytest.fixture
def run() -> Run:
    return Run(id=RUN, plan=Plan(), correlation_id="abc", created_at=NOW)


@pytest.fixture
def ports(run: Run) -> Ports:
    clock = ManualClock(NOW)
    ledger = MemoryLedger(clock)
    ledger.create(run)
    return Ports(ledger, MemoryArtifacts(clock), RecordingPublisher(), clock)


@pytest.mark.parametrize("noted", [FAILING, WAITING], ids=lambda noted: noted.kind)
def test_a_service_that_may_not_write_the_trail_sends_its_note(ports: Ports, noted: Note) -> None:
    assert isinstance(ports.publisher, RecordingPublisher)
    note(ports, RUN, "abc", noted)
    assert ports.publisher.published == [(HandleFact(run_id=RUN, fact=noted), "abc")]
    assert [event.name for event in ports.ledger.events(RUN)] == ["run_created"]


def test_control_writes_its_own_note_and_sends_none(ports: Ports) -> None:
    """It could otherwise note without end that it fails to handle a note."""
    assert isinstance(ports.publisher, RecordingPublisher)
    note(ports, RUN, "abc", OF_CONTROL)
    assert ports.publisher.published == []
    (_, event) = ports.ledger.events(RUN)
    assert (event.name, event.data) == ("step_failing", {"round": None, "reason": "control.sweep: no disk"})


def test_a_note_is_an_event_of_its_kind(ports: Ports, run: Run) -> None:
    for noted in (FAILING, WAITING):
        write_note(ports.ledger, run, noted)
    assert [(event.name, event.data) for event in ports.ledger.events(RUN)[1:]] == [
        ("step_failing", {"round": 2, "reason": "aggregator.fold_shard of shard 3: no disk"}),
        ("waiting", {"service": "client", "reason": "S3 does not answer"}),
    ]


def test_notes_without_end_do_not_fill_the_ledger(ports: Ports, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trail_notes, "MOST_NOTES", 5)
    with structlog.testing.capture_logs() as logs:
        for _ in range(20):
            write_note(ports.ledger, run, WAITING)
    assert len(ports.ledger.events(RUN)) == most_events(run) == 5
    assert {entry["event"] for entry in logs} == {"not_noted"}
    ports.ledger.save(run, "run_paused")
    assert len(ports.ledger.events(RUN)) == 6, "what happens to the run is always written"
    assert most_events(run.model_copy(update={"round": 0})) > 6, "a round brings room for notes"


def away(*_: Any, **__: Any) -> None:
    raise UnavailableError("Redis does not answer")


@pytest.mark.parametrize("noted", [FAILING, OF_CONTROL], ids=["sent", "written"])
def test_a_note_that_is_lost_ends_no_work(ports: Ports, noted: Note, monkeypatch: pytest.MonkeyPatch) -> None:
    lose: Callable[..., None] = away
    monkeypatch.setattr(ports.ledger, "record_event", lose)
    monkeypatch.setattr(ports.publisher, "publish", lose)
    with structlog.testing.capture_logs() as logs:
        note(ports, RUN, "abc", noted)
    assert [(entry["event"], entry["note"]) for entry in logs] == [("not_noted", "step_failing")]
