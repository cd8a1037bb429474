"""The sweep repeats what was lost, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import structlog
from prometheus_client import REGISTRY

from fedface_control.sweep import sweep
from fedface_core.domain.commands import EvaluateModel, ListIdentities, PrepareModel, TrainClients
from fedface_core.domain.errors import StaleVersionError, UnavailableError
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import Run
from support.in_process import REPEAT_AFTER, InProcess
from support.tiny_run import tiny_plan

LONG = REPEAT_AFTER.total_seconds() + 1


def repeats(phase: str) -> float:
    return REGISTRY.get_sample_value("fedface_sweep_repeats_total", {"phase": phase}) or 0.0


def in_round(services: InProcess, phase: RoundPhase) -> Callable[[Run], bool]:
    return lambda run: run.round == 1 and services.ports.ledger.load_round(run.id, 1).phase is phase


def test_the_sweep_repeats_nothing_while_something_happens_or_waits(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    waiting = list(services.publisher.published)
    services.sweep_after(LONG)
    assert services.publisher.published == waiting, "the message still waits in its queue"

    services.until(run_id, lambda run: run.round == 0)
    services.publisher.published.clear()
    services.sweep_after(REPEAT_AFTER.total_seconds() - 1)
    assert services.publisher.published == [], "it may still be at work"
    before = repeats("open")
    services.sweep_after(2)
    assert len(services.publisher.published) == 4
    assert repeats("open") == before + 1
    services.publisher.published.clear()
    services.sweep_after(1)
    assert services.publisher.published == [], "they were published just now"


def test_the_sweep_repeats_after_a_long_while_though_other_runs_keep_the_queue_busy(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    services.start()
    assert services.publisher.queue_depth("aggregator") == 1
    services.sweep_after(10 * REPEAT_AFTER.total_seconds() + 1)
    assert services.publisher.queue_depth("aggregator") == 2


def test_the_sweep_asks_only_clients_that_have_not_settled(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    services.until(run_id, in_round(services, RoundPhase.OPEN))
    services.publisher.published.clear()
    services.deliver_now(TrainClients(run_id=run_id, round=1, clients=("client-000002",)))
    services.sweep_after(LONG)
    assert [
        client for command in services.publisher.commands if isinstance(command, TrainClients) for client in command.clients
    ] == [
        "client-000000",
        "client-000001",
        "client-000003",
    ]


def test_the_sweep_asks_again_for_what_a_preparation_lacks(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    services.publisher.published.clear()
    before = repeats("preparing")
    services.sweep_after(LONG)
    assert services.publisher.commands == [PrepareModel(run_id=run_id), ListIdentities(run_id=run_id)]
    assert repeats("preparing") == before + 1
    assert services.ports.ledger.load(run_id).prompted_at == services.clock.now()
    services.until(run_id, lambda run: run.model_sha256 is not None)
    services.publisher.published.clear()
    services.sweep_after(LONG)
    assert services.publisher.commands == [ListIdentities(run_id=run_id)]


def test_the_sweep_asks_again_for_a_lost_evaluation(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    services.until(run_id, in_round(services, RoundPhase.EVALUATING))
    services.publisher.published.clear()
    services.sweep_after(LONG)
    assert services.publisher.commands == [EvaluateModel(run_id=run_id, round=1)]


@pytest.mark.parametrize("error", [UnavailableError("Redis does not answer"), OverflowError("date value out of range")])
def test_one_run_in_trouble_does_not_keep_the_others_waiting(
    faces: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    services = InProcess(tiny_plan(faces))
    troubled = services.start()
    services.clock.advance(1)  # the sweep takes the oldest first
    overtaken = services.start()
    services.clock.advance(1)
    lost = services.start()
    services.publisher.published.clear()
    save = services.ports.ledger.save

    def trouble(run: Run, event: str, **rounds: object) -> Run:
        if run.id == troubled:
            raise error
        if run.id == overtaken:
            raise StaleVersionError("somebody was faster")
        return save(run, event, **rounds)  # type: ignore[arg-type]

    monkeypatch.setattr(services.ports.ledger, "save", trouble)
    services.clock.advance(LONG)
    with structlog.testing.capture_logs() as logs:
        sweep(services.ports, REPEAT_AFTER)
    assert services.publisher.commands == [PrepareModel(run_id=lost), ListIdentities(run_id=lost)]
    said = [entry["event"] for entry in logs if entry["event"].startswith("sweep_")]
    assert said == ["sweep_failed", "sweep_overtaken"]
