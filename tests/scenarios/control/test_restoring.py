"""A ledger that is lost is rebuilt from what lies in the artifact store, and every run comes to the same end."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from fedface_control.operate.round import retry_round
from fedface_control.operate.run import cancel_run, pause_run, resume_run
from fedface_control.phases.evaluating import evaluation_ended
from fedface_control.upkeep.restore import restore_run
from fedface_core.domain.commands import HandleFact
from fedface_core.domain.errors import StaleVersionError
from fedface_core.domain.facts import RoundEvaluated, StepFailed
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import ENDED, RunPhase
from support.in_process import InProcess
from support.lost_ledger import lose
from support.places import in_round, run_in, simulated
from support.stride import Stride
from support.tiny_run import tiny_plan


@pytest.mark.parametrize("workers_too", [True, False], ids=["all gone", "workers live on"])
def test_a_run_is_restored_from_any_moment_and_nothing_is_trained_twice(
    faces: Path, trained: list[tuple[int, str]], stride: Stride, workers_too: bool
) -> None:
    plan = tiny_plan(faces, split={"clients": 2}, cohort={"shard_size": 1}, rounds=2)
    expected = simulated(plan).model_sha256
    for at in stride.of(itertools.count()):
        trained.clear()
        services = InProcess(plan)
        run_id = services.start()
        for _ in range(at):
            services.step()
        before = services.ports.ledger.load(run_id)
        lose(services, run_id, workers_too=workers_too)
        restored = restore_run(services.ports, run_id)
        assert (restored.phase in ENDED) == (before.phase in ENDED)
        assert restored.finished_rounds == before.finished_rounds
        run = services.to_end(run_id)
        assert (run.phase, run.model_sha256, run.finished_rounds) == (RunPhase.COMPLETED, expected, 2)
        assert sorted(trained) == [(number, client) for number in (1, 2) for client in ("client-000000", "client-000001")]
        if before.phase in ENDED:
            assert at > 20
            return


PHASES = sorted(set(RunPhase) - {RunPhase.PREPARING, RunPhase.PAUSING})


@pytest.mark.parametrize("phase", PHASES)
def test_a_run_comes_back_in_its_phase_and_can_be_shown(api: TestClient, services: InProcess, phase: RunPhase) -> None:
    run_id = run_in(services, phase)
    before = services.ports.ledger.load(run_id)
    lose(services, run_id)
    answer = api.post(f"/v1/runs/{run_id}/restore")
    assert answer.status_code == 200, answer.text
    run = services.ports.ledger.load(run_id)
    phase = RunPhase.PREPARING if phase is RunPhase.RUNNING else phase  # before enrolment has finished, all begins anew
    assert run.phase is phase
    kept = {"failure", "stopped_because", "ended_at", "paused_at", "started_at", "plan", "correlation_id", "requests"}
    assert run.model_dump(include=kept) == before.model_dump(include=kept)
    assert api.get(f"/v1/runs/{run_id}").json()["phase"] == phase
    assert api.get(f"/v1/runs/{run_id}/rounds").status_code == 200
    (event,) = services.ports.ledger.events(run_id)
    assert event.name == "run_restored"
    services.drain()
    services.sweep_after(1e4)
    if phase in ENDED - {RunPhase.DELETING} | {RunPhase.PAUSED, RunPhase.CREATED}:
        assert services.ports.ledger.load(run_id).phase is phase
        assert services.publisher.published == []


def test_a_paused_run_is_restored_paused_and_goes_on_when_told(faces: Path, trained: list[tuple[int, str]]) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    services.until(run_id, in_round(services, 2))
    services.until(run_id, lambda _: services.ports.ledger.tally(run_id, 2).accepted == 2)
    pause_run(services.ports, run_id, now=True)
    lose(services, run_id)
    assert restore_run(services.ports, run_id).phase is RunPhase.PAUSED
    services.sweep_after(1e4)
    assert services.publisher.published == []
    resume_run(services.ports, run_id)
    run = services.to_end(run_id)
    assert run.model_sha256 == simulated(services.plan).model_sha256
    assert len(trained) == 8


@pytest.mark.parametrize("retried", [False, True])
def test_all_rounds_of_a_restored_run_are_held_to_the_model_that_the_first_one_started_from(
    faces: Path, retried: bool
) -> None:
    """Whether the first round was abandoned for another or not."""
    services = InProcess(tiny_plan(faces, strategy={"name": "gaussian-negatives", "anchor": 10.0}, rounds=3))
    run_id = services.start()
    services.until(run_id, in_round(services, 1))
    if retried:
        retry_round(services.ports, run_id, 1)
    services.until(run_id, in_round(services, 3))
    lose(services, run_id)
    restore_run(services.ports, run_id)
    run = services.to_end(run_id)
    assert (run.phase, run.finished_rounds) == (RunPhase.COMPLETED, 3)
    if not retried:
        assert run.model_sha256 == simulated(services.plan).model_sha256
    anchors = {services.manifest(run_id, number).round.anchor_sha256 for number in range(1, (run.round or 0) + 1)}
    assert anchors == {services.manifest(run_id, 0).run.model_sha256}


def test_a_retried_round_stays_abandoned(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    services.until(run_id, in_round(services, 1))
    retry_round(services.ports, run_id, 1)
    lose(services, run_id)
    assert restore_run(services.ports, run_id).round == 1
    run = services.to_end(run_id)
    assert (run.phase, run.finished_rounds, run.round) == (RunPhase.COMPLETED, 2, 3)
    assert services.ports.ledger.load_round(run_id, 1).phase is RoundPhase.ABANDONED


def test_a_failure_in_the_middle_of_a_round_is_not_forgotten(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    services.until(run_id, in_round(services, 1, RoundPhase.AGGREGATING))
    services.deliver_now(HandleFact(run_id=run_id, fact=StepFailed(run_id=run_id, round=1, reason="no disk")))
    lose(services, run_id)
    run = restore_run(services.ports, run_id)
    assert (run.phase, run.failure) == (RunPhase.FAILED, "round 1: no disk")


def test_a_cancelled_run_is_restored_so_though_a_round_was_about_to_finish(faces: Path) -> None:
    """Control had put the round's manifest when the operator was faster; the ledger never knew of it."""
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    services.until(run_id, in_round(services, 1, RoundPhase.EVALUATING))
    services.step()
    (fact,) = [message.fact for message in services.publisher.commands if isinstance(message, HandleFact)]
    assert isinstance(fact, RoundEvaluated)
    overtaken = services.ports.ledger.load(run_id)
    cancel_run(services.ports, run_id)
    with pytest.raises(StaleVersionError, match=rf"^{run_id} is at version \d+, not {overtaken.version}; load it again$"):
        evaluation_ended(_ports_where_the_round_is_still_scored(services, run_id), overtaken, fact)
    lose(services, run_id)
    assert restore_run(services.ports, run_id).phase is RunPhase.CANCELLED


def _ports_where_the_round_is_still_scored(services: InProcess, run_id: str) -> Any:
    """As another process had read it before."""
    current = services.ports.ledger.load_round(run_id, 1)

    class ReadBefore:
        def __getattr__(self, name: str) -> Any:
            return getattr(services.ports.ledger, name)

        def load_round(self, run: str, number: int) -> Any:
            if number != 1:
                return services.ports.ledger.load_round(run, number)
            return current.model_copy(
                update={"phase": RoundPhase.EVALUATING, "finished_at": None, "abandoned_because": None}
            )

    return replace(services.ports, ledger=ReadBefore())


NEW_WITH_STRATEGIES = {
    *("strategy", "optimiser", "server_state_sha256", "guidance_sha256", "identity_list_sha256"),
    *("schedule", "final_learning_rate", "final_steps", "warmup_rounds", "flip", "shift"),
    *("identities", "images_per_client", "misalignment"),
}


def as_before_strategies(record: Any) -> Any:
    """A stored JSON value without what came with strategies, at any depth."""
    if isinstance(record, list):
        return [as_before_strategies(each) for each in record]
    if not isinstance(record, dict):
        return record
    return {name: as_before_strategies(value) for name, value in record.items() if name not in NEW_WITH_STRATEGIES}


def test_a_run_that_was_recorded_before_there_were_strategies_goes_on(faces: Path) -> None:
    services = InProcess(tiny_plan(faces))
    run_id = services.start()
    services.until(run_id, in_round(services, 2))
    lose(services, run_id)
    artifacts = services.ports.artifacts
    older = 0
    for key in (key for key in artifacts.keys(f"runs/{run_id}/") if key.endswith(".json")):
        record = artifacts.get(key)
        artifacts.put(key, json.dumps(as_before_strategies(json.loads(record))).encode())
        older += b'"optimiser"' in record or b'"guidance_sha256"' in record
    assert older == 5, "the run's record, two manifests, two aggregations"
    restore_run(services.ports, run_id)
    run = services.to_end(run_id)
    assert (run.phase, run.model_sha256) == (RunPhase.COMPLETED, simulated(services.plan).model_sha256)
