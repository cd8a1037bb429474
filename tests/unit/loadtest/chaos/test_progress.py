"""Progress grows from phase to phase, and within an open round with every client that settles."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fedface_core.adapters.memory import ManualClock, MemoryLedger
from fedface_core.domain.round import Round, RoundPhase
from fedface_core.domain.run import Run, RunPhase
from loadtest.chaos.plan import synthetic_plan
from loadtest.chaos.progress import Progress, last_evaluation_at, read_progress

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUN = Run(id="run-0123456789ab", plan=synthetic_plan(clients=2, rounds=1, seed=0), correlation_id="abc", created_at=NOW)
ROUND = Round(
    run_id=RUN.id,
    number=1,
    phase=RoundPhase.OPEN,
    cohort=("client-000000", "client-000001"),
    shard_size=2,
    quorum=2,
    minimum=1,
    opened_at=NOW,
    deadline_at=NOW + timedelta(hours=1),
    model_sha256="0" * 64,
)


@pytest.fixture
def ledger() -> MemoryLedger:
    ledger = MemoryLedger(ManualClock(NOW))
    ledger.create(RUN)
    return ledger


def test_before_the_first_round_the_phase_is_the_runs(ledger: MemoryLedger) -> None:
    assert read_progress(ledger, RUN.id) == Progress(None, "created", 0.0)
    preparing = RUN.model_copy(update={"phase": RunPhase.PREPARING})
    ledger.save(preparing, "run_started")
    progress = read_progress(ledger, RUN.id)
    assert 0 < progress.amount < last_evaluation_at(0)
    assert str(progress) == "preparing"


def test_a_client_that_settles_moves_an_open_round_on(ledger: MemoryLedger) -> None:
    running = RUN.model_copy(update={"phase": RunPhase.RUNNING, "round": 1})
    ledger.save(running, "round_opened", opened=ROUND)
    opened = read_progress(ledger, RUN.id)
    ledger.fail(RUN.id, 1, "client-000000", "no photographs")
    half = read_progress(ledger, RUN.id)
    ledger.fail(RUN.id, 1, "client-000001", "no photographs")
    settled = read_progress(ledger, RUN.id)
    assert str(opened) == "round 1, open"
    assert opened.amount < half.amount < settled.amount < last_evaluation_at(1)
    assert half.amount == pytest.approx((opened.amount + settled.amount) / 2)


def test_a_run_that_has_ended_says_so(ledger: MemoryLedger) -> None:
    ledger.save(RUN.model_copy(update={"phase": RunPhase.CANCELLED}), "run_cancelled")
    assert read_progress(ledger, RUN.id).ended
