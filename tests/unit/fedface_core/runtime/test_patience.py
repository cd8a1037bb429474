"""Ports that wait while a dependency is away: what is tried again, for how long, and what the operator sees."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pytest
import structlog
from prometheus_client import REGISTRY
from pydantic import BaseModel
from structlog.typing import EventDict

from fedface_core.adapters.memory import ManualClock, MemoryArtifacts, MemoryLedger, RecordingPublisher
from fedface_core.domain.commands import HandleFact, Sweep
from fedface_core.domain.errors import ArtifactMissingError, UnavailableError
from fedface_core.domain.facts import Waiting
from fedface_core.domain.ids import new_run_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import Run
from fedface_core.ports import Ports
from fedface_core.runtime import patience
from fedface_core.runtime.metrics import Dependency
from fedface_core.runtime.patience import WaitingNotes, wait_for_dependency, with_patience

REASON = "the S3 server at minio:9000 does not answer"


class FlakyArtifacts(MemoryArtifacts):
    """Down for the next ``failures`` operations."""

    def __init__(self, failures: int) -> None:
        super().__init__()
        self.failures = failures
        self.calls = 0

    def _call(self) -> None:
        self.calls += 1
        if self.calls <= self.failures:
            raise UnavailableError(REASON)

    def put(self, key: str, *data: bytes | memoryview, sha256: str | None = None) -> None:
        self._call()
        super().put(key, *data, sha256=sha256)

    def get(self, key: str) -> bytes:
        self._call()
        return super().get(key)


class AbsentLedger(MemoryLedger):
    """Answers nothing."""

    def load(self, run_id: str) -> Run:
        raise UnavailableError("Redis does not answer")


class FlakyPublisher(RecordingPublisher):
    """Refuses the first batch after its first message."""

    refused = False

    def publish_all(self, commands: Sequence[BaseModel], *, correlation_id: str) -> None:
        if not self.refused:
            self.refused = True
            super().publish_all(commands[:1], correlation_id=correlation_id)
            raise UnavailableError("the broker does not take messages")
        super().publish_all(commands, correlation_id=correlation_id)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "LONGEST_PAUSE_SECONDS", 0.01)


@pytest.fixture
def run() -> Run:
    return Run(id=new_run_id(), plan=Plan(), correlation_id="abc", created_at=datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def ledger(run: Run) -> MemoryLedger:
    ledger = MemoryLedger()
    ledger.create(run)
    return ledger


@pytest.fixture
def logs() -> Iterator[list[EventDict]]:
    with structlog.testing.capture_logs() as records:
        yield records


def ports_over(artifacts: MemoryArtifacts, ledger: MemoryLedger | None = None, seconds: float = 60.0) -> Ports:
    return with_patience(Ports(ledger or MemoryLedger(), artifacts, RecordingPublisher(), ManualClock()), seconds)


def waited(dependency: str = "artifact_store") -> float:
    """The seconds of waiting that were counted so far."""
    return REGISTRY.get_sample_value("fedface_waiting_seconds_total", {"dependency": dependency}) or 0.0


def events_in(logs: list[EventDict]) -> list[str]:
    return [record["event"] for record in logs]


def test_an_operation_is_tried_until_the_store_is_back(logs: list[EventDict]) -> None:
    store = FlakyArtifacts(failures=4)
    before = waited()
    ports_over(store).artifacts.put("a/b", b"x")
    assert (store.calls, store.get("a/b")) == (5, b"x")
    assert waited() > before
    waiting, back = logs
    assert (waiting["event"], waiting["log_level"]) == ("waiting_for_dependency", "warning")
    assert (waiting["dependency"], waiting["operation"], waiting["reason"]) == ("artifact_store", "put", REASON)
    assert (back["event"], back["log_level"]) == ("dependency_back", "info")


def test_what_succeeds_at_once_is_neither_logged_nor_counted(logs: list[EventDict]) -> None:
    before = waited()
    ports_over(FlakyArtifacts(failures=0)).artifacts.put("a/b", b"x")
    assert (logs, waited()) == ([], before)


def test_patience_ends(logs: list[EventDict]) -> None:
    store = FlakyArtifacts(failures=1_000_000)
    before = waited()
    started = time.monotonic()
    with pytest.raises(UnavailableError, match=REASON):
        ports_over(store, seconds=0.2).artifacts.get("a/b")
    assert time.monotonic() - started >= 0.2
    assert store.calls > 2
    assert waited() - before >= 0.15
    assert events_in(logs) == ["waiting_for_dependency"]


def test_no_other_error_is_tried_again(logs: list[EventDict]) -> None:
    store = FlakyArtifacts(failures=0)
    with pytest.raises(ArtifactMissingError):
        ports_over(store).artifacts.get("a/b")
    assert (store.calls, logs) == (1, [])


def test_a_process_waits_for_what_it_needs_to_start(logs: list[EventDict]) -> None:
    store = FlakyArtifacts(failures=3)
    wait_for_dependency(Dependency.ARTIFACT_STORE, 60.0, lambda: store.put("a/b", b"x"))
    assert (store.calls, events_in(logs)) == (4, ["waiting_for_dependency", "dependency_back"])
    with pytest.raises(UnavailableError, match=REASON):
        wait_for_dependency(Dependency.ARTIFACT_STORE, 0.05, lambda: FlakyArtifacts(failures=1_000_000).get("a/b"))


def test_a_batch_of_messages_is_published_whole_at_last() -> None:
    publisher = FlakyPublisher()
    ports = with_patience(Ports(MemoryLedger(), MemoryArtifacts(), publisher, ManualClock()), 60.0)
    ports.publisher.publish_all([Sweep(), Sweep()], correlation_id="abc")
    assert publisher.commands == [Sweep()] * 3, "one twice, which is harmless; none is missing"


def test_a_wait_of_a_worker_is_noted_for_the_audit_trail_of_its_run(run: Run, ledger: MemoryLedger) -> None:
    publisher = RecordingPublisher()
    ports = with_patience(Ports(ledger, FlakyArtifacts(failures=3), publisher, ManualClock()), 60.0)
    with structlog.contextvars.bound_contextvars(run_id=run.id, task="client.train", correlation_id="abc"):
        ports.artifacts.put("a/b", b"x")
    note = Waiting(run_id=run.id, service="client", reason=REASON)
    assert publisher.published == [(HandleFact(run_id=run.id, fact=note), "abc")]


def test_a_wait_of_control_is_in_the_audit_trail_at_once(run: Run, ledger: MemoryLedger) -> None:
    """A message to itself would come when the wait is over."""
    with structlog.contextvars.bound_contextvars(run_id=run.id, task="control.handle_fact", correlation_id="abc"):
        ports_over(FlakyArtifacts(failures=3), ledger).artifacts.put("a/b", b"x")
    event = ledger.events(run.id)[-1]
    assert (event.name, event.data) == ("waiting", {"service": "control", "reason": REASON})


def test_a_wait_is_noted_once_a_minute_for_each_run(run: Run, ledger: MemoryLedger) -> None:
    now = 1000.0
    ports = Ports(ledger, MemoryArtifacts(), RecordingPublisher(), ManualClock())
    report = WaitingNotes(ports, clock=lambda: now)
    another = run.model_copy(update={"id": new_run_id()})
    ledger.create(another)
    for moment, run_id in ((1000.0, run.id), (1030.0, another.id), (1059.0, run.id), (1061.0, run.id), (1062.0, run.id)):
        now = moment
        with structlog.contextvars.bound_contextvars(run_id=run_id, task="control.handle_fact", correlation_id="abc"):
            report(REASON)
    assert [event.name for event in ledger.events(run.id)] == ["run_created", "waiting", "waiting"]
    assert [event.name for event in ledger.events(another.id)] == ["run_created", "waiting"]


def test_a_wait_for_no_run_is_not_noted(ledger: MemoryLedger, run: Run) -> None:
    ports_over(FlakyArtifacts(failures=1), ledger).artifacts.put("a/b", b"x")
    assert [event.name for event in ledger.events(run.id)] == ["run_created"]


@pytest.mark.parametrize("ledger_kind", [AbsentLedger, MemoryLedger], ids=["away", "without the run"])
def test_a_note_that_cannot_be_written_is_no_reason_to_fail(
    run: Run, ledger_kind: type[MemoryLedger], logs: list[EventDict]
) -> None:
    store = FlakyArtifacts(failures=2)
    with structlog.contextvars.bound_contextvars(run_id=run.id, task="control.handle_fact", correlation_id="abc"):
        ports_over(store, ledger_kind()).artifacts.put("a/b", b"x")
    assert store.get("a/b") == b"x"
    assert events_in(logs) == ["waiting_for_dependency", "not_noted", "dependency_back"]
