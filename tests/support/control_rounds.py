"""Runs and rounds for tests of control: built without any service, or brought to round 1 by all services."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fedface_core.adapters.memory import ManualClock, MemoryArtifacts, MemoryLedger, RecordingPublisher
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.results import Aggregation
from fedface_core.domain.round import Round, RoundPhase, Tally, open_round
from fedface_core.domain.run import Run, RunPhase
from fedface_core.domain.update import AcceptedUpdate
from fedface_core.ports import Ports
from support.in_process import InProcess
from support.places import in_round
from support.tiny_run import tiny_plan

RUN = "run-0123456789ab"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
MODEL = "c" * 64
PLAN = Plan.model_validate({"split": {"clients": 7}, "cohort": {"shard_size": 3, "quorum": 5, "deadline_seconds": 90}})
EVERYONE = tuple(client_id(index) for index in range(7))


def a_round(phase: RoundPhase = RoundPhase.OPEN, number: int = 1) -> Round:
    """A round of `PLAN` with all of its clients, opened at `NOW`."""
    return open_round(PLAN, RUN, number, EVERYONE, MODEL, NOW).replace(phase=phase)


def a_tally(
    unsettled: set[int] | None = None, accepted: set[int] | None = None, folded: set[int] | None = None, *, late: int = 0
) -> Tally:
    """Counts of a round: clients by index, then shards, then a number of clients."""
    return Tally(
        accepted=0,
        failed=0,
        late=late,
        unsettled=frozenset(client_id(index) for index in unsettled or ()),
        accepted_shards=frozenset(accepted or ()),
        folded_shards=frozenset(folded or ()),
        last_activity=NOW,
    )


def an_aggregation(refused: Mapping[str, str] | None = None) -> Aggregation:
    """Results of an enrolment, with these refused updates and their reasons."""
    return Aggregation(
        model_sha256=MODEL,
        class_embeddings_sha256="d" * 64,
        folded=2,
        images=2,
        uploaded_bytes=2,
        refused=dict(refused or {}),
        update_norm=None,
        loss_before=None,
        spreadout_loss=0.0,
        mean_off_diagonal_cosine=0.0,
        max_off_diagonal_cosine=0.0,
    )


@dataclass(frozen=True)
class Control:
    """Ports in memory, on which only control acts."""

    clock: ManualClock
    ledger: MemoryLedger
    artifacts: MemoryArtifacts
    publisher: RecordingPublisher

    @classmethod
    def empty(cls) -> Control:
        """Without any run, at `NOW`."""
        clock = ManualClock(NOW)
        return cls(clock, MemoryLedger(clock), MemoryArtifacts(clock), RecordingPublisher())

    @property
    def ports(self) -> Ports:
        return Ports(self.ledger, self.artifacts, self.publisher, self.clock)

    def create(self, phase: RunPhase = RunPhase.CREATED) -> Run:
        """A run of `PLAN` in this phase, without a round."""
        self.ledger.create(Run(id=RUN, plan=PLAN, correlation_id="abc", created_at=NOW))
        if phase is RunPhase.CREATED:
            return self.ledger.load(RUN)
        placed = self.ledger.load(RUN).replace(phase=phase, started_at=NOW, prompted_at=NOW)
        return self.ledger.save(placed, "placed")

    def open(self, number: int = 0, phase: RunPhase = RunPhase.RUNNING) -> Run:
        """A run of `PLAN` in this phase, whose round ``number`` is open."""
        run = self.create(phase).replace(model_sha256=MODEL)
        return self.ledger.save(run.in_round(number), "round_opened", opened=a_round(number=number))

    def accept(self, *indices: int, number: int = 0) -> None:
        """Accept an update of each of these clients."""
        for index in indices:
            update = AcceptedUpdate(sha256=str(index) * 64, size=1, images=1 + index)
            receipt = self.ledger.accept(RUN, number, client_id(index), update)
            assert receipt.refused is None

    def event_names(self) -> list[str]:
        return [event.name for event in self.ledger.events(RUN)]


def services_for(faces: Path, **changes: Any) -> InProcess:
    """All services, for a tiny plan with these changes."""
    return InProcess(tiny_plan(faces, **changes))


def start_in_round_1(services: InProcess, phase: RoundPhase = RoundPhase.OPEN) -> str:
    """Start a run, and bring it into this phase of round 1. Returns its id."""
    run_id = services.start()
    services.until(run_id, in_round(services, 1, phase))
    return run_id
