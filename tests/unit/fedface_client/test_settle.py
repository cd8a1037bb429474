"""What the ledger records of a client, and which message is published then."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedface_core.domain.commands import EnrolClients, FoldShard, HandleFact, TrainClients
from fedface_core.domain.run import Run, RunPhase
from fedface_learning.simulation.simulate import simulate
from support.client_updates import before_updates
from support.in_process import InProcess
from support.metrics import counter
from support.tiny_run import tiny_plan

VICTIM = "client-000001"


def in_training(run: Run) -> bool:
    return run.round == 1


def test_two_deliveries_at_once_count_once(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second worker settles while the first still trains; the first is told that it is a duplicate."""
    plan = tiny_plan(faces)
    services = InProcess(plan)
    run_id = services.start()
    overtaken: list[str] = []

    def overtake(client: str) -> None:
        if client == VICTIM and not overtaken:
            overtaken.append(client)
            services.restart_services()  # another process
            services.deliver_now(TrainClients(run_id=run_id, round=1, clients=(VICTIM,)))

    before_updates(monkeypatch, overtake)
    before = counter("updates", outcome="refused", reason="duplicate")
    run = services.to_end(run_id)
    assert counter("updates", outcome="refused", reason="duplicate") == before + 1
    of_victim = [
        effect for effect in services.effect_log.effects if effect.endswith(f"rounds/1/updates/{VICTIM}.safetensors")
    ]
    assert len(of_victim) == 1, "the bytes that were accepted stay, though another kind of CPU would have made others"
    assert services.manifest(run_id, 1).round.aggregation == simulate(plan).rounds[1].aggregation
    assert run.model_sha256 == simulate(plan).model_sha256


def test_an_update_after_the_deadline_is_refused_as_late(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    services = InProcess(tiny_plan(faces, cohort={"deadline_seconds": 100}, rounds=1))

    def dawdle(client: str) -> None:
        if client == "client-000003":  # the last, so that the others are in time
            services.clock.advance(100)

    before_updates(monkeypatch, dawdle)
    before = counter("updates", outcome="refused", reason="late")
    run = services.run()
    assert run.phase is RunPhase.COMPLETED
    assert counter("updates", outcome="refused", reason="late") == before + 1
    assert list(services.manifest(run.id, 1).accepted) == [f"client-00000{index}" for index in range(3)]
    assert services.ports.ledger.round_summary(run.id, 1).late == 1


def test_a_failure_after_the_deadline_is_not_counted(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    services = InProcess(tiny_plan(faces, cohort={"deadline_seconds": 100, "attempts": 1}, rounds=1))
    run_id = services.start()
    services.until(run_id, in_training)
    last = TrainClients(run_id=run_id, round=1, clients=("client-000003",))
    services.ports.ledger.begin_attempt(run_id, 1, last.clients[0])
    services.clock.advance(100)
    before = counter("updates", outcome="failed", reason="client")
    services.deliver_now(last)
    assert counter("updates", outcome="failed", reason="client") == before
    assert services.ports.ledger.failed(run_id, 1) == {}


def test_a_client_tells_the_aggregator_of_a_settled_shard_or_control_of_a_ready_round(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 0)
    services.publisher.published.clear()
    messages = []
    for index in range(4):
        services.deliver_now(EnrolClients(run_id=run_id, clients=(f"client-{index:06d}",)))
        messages.append([type(command) for command in services.publisher.commands])
        of_the_run = services.ports.ledger.load(run_id).correlation_id
        assert {correlation_id for _, correlation_id in services.publisher.published} <= {of_the_run}
        services.publisher.published.clear()
    assert messages == [[], [FoldShard], [], [HandleFact]]
