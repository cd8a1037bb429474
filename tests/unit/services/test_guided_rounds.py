"""What a strategy of the aggregator's own keeps and gives: on both paths the same, and there after any crash."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from fedface_control.collect_garbage import collect_garbage
from fedface_control.operate_round import retry_round
from fedface_control.operate_run import delete_run
from fedface_control.restore_run import restore_run
from fedface_core.adapters.memory import MemoryLedger
from fedface_core.contracts import object_keys
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import RunPhase
from fedface_core.learning.codec import decode_tensors
from fedface_core.learning.simulation import simulate
from fedface_core.learning.strategies import STRATEGIES
from support.guiding_strategy import GUIDING
from support.in_process import Disorder, InProcess
from support.places import in_round
from support.tiny_run import tiny_plan

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _guiding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STRATEGIES, "fedface", GUIDING)


@pytest.fixture
def plan(faces: Path) -> Plan:
    small = {"split": {"public": 2, "clients": 2}, "cohort": {"shard_size": 1}}
    return tiny_plan(faces, rounds=2, aggregation={"optimiser": "momentum"}, retention={"rounds_of_updates": 1}, **small)


def test_services_and_simulation_agree(plan: Plan) -> None:
    services, expected = InProcess(plan, Disorder(4, reorder=True, duplicate=0.2, drop=0.1)), simulate(plan)
    run = services.run()
    for simulated in expected.rounds:
        manifest = services.manifest(run.id, simulated.number)
        assert manifest.round.aggregation == simulated.aggregation
        assert simulated.verification is not None
        assert manifest.round.scores == simulated.verification.scores


def test_each_round_starts_from_what_the_one_before_left(plan: Plan) -> None:
    services = InProcess(plan)
    run = services.run()
    rounds = [services.manifest(run.id, number).round for number in range(3)]
    assert rounds[0].server_state_sha256 is None
    for before, after in pairwise(rounds):
        assert before.aggregation is not None
        assert after.server_state_sha256 == before.aggregation.server_state_sha256 is not None
        assert after.guidance_sha256 == before.aggregation.guidance_sha256 is not None
    kept = services.ports.artifacts.get(object_keys.server_state(run.id, rounds[2].server_state_sha256 or ""))
    state, _ = decode_tensors(kept)
    assert "strategy/seen" in state
    assert any(name.startswith("optimiser/first/") for name in state)
    given, _ = decode_tensors(services.ports.artifacts.get(object_keys.guidance(run.id, rounds[1].guidance_sha256 or "")))
    assert given["public_PD"].shape == (2, 4)
    torch.testing.assert_close(given["public_PD"].norm(dim=1), torch.ones(2))


def test_a_client_process_fetches_guidance_once_a_round(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    services = InProcess(plan)
    fetched: list[str] = []
    get = services.ports.artifacts.get

    def noted(key: str) -> bytes:
        fetched.append(object_keys.kind(key))
        return get(key)

    monkeypatch.setattr(services.ports.artifacts, "get", noted)
    services.run()
    assert fetched.count("guidance") == 2


def moments(plan: Plan) -> Iterator[InProcess]:
    """The services after each of a run's steps in turn."""
    for steps in range(1, 100):
        services = InProcess(plan)
        run_id = services.start()
        for _ in range(steps):
            if services.ports.ledger.load(run_id).phase is RunPhase.COMPLETED:
                return
            services.step()
        yield services
    raise AssertionError("the run never came to its end")


@pytest.mark.parametrize("lost", [False, True], ids=["ledger kept", "ledger lost"])
def test_nothing_that_is_needed_is_garbage_and_a_lost_run_comes_back(plan: Plan, lost: bool) -> None:
    expected = simulate(plan).model_sha256
    for services in moments(plan):
        (run,) = services.ports.ledger.runs()
        if lost:
            services.ports = replace(services.ports, ledger=MemoryLedger(services.clock))
            services.publisher.published.clear()
            services.restart_services()
        services.clock.advance(7200)
        collect_garbage(services.ports, HOUR, dry_run=False)
        if lost:
            restore_run(services.ports, run.id)
        assert services.to_end(run.id).model_sha256 == expected


def test_a_service_may_be_killed_after_any_effect(plan: Plan) -> None:
    expected = simulate(plan).model_sha256
    unharmed = InProcess(plan)
    unharmed.run()
    for last_effect in range(1, len(unharmed.lifeline.effects) + 1):
        assert InProcess(plan, kill_after=last_effect).run().model_sha256 == expected


def test_what_nobody_names_is_garbage_and_a_deleted_run_leaves_nothing(plan: Plan) -> None:
    services = InProcess(plan)
    run = services.run()
    strays = [object_keys.guidance(run.id, "ab" * 32), object_keys.server_state(run.id, "ab" * 32)]
    for stray in strays:
        services.ports.artifacts.put(stray, b"left behind")
    services.clock.advance(7200)
    assert collect_garbage(services.ports, HOUR, dry_run=False) == strays
    delete_run(services.ports, run.id, run.id)
    services.sweep_after(1)
    assert services.ports.artifacts.keys("") == []


def test_old_states_go_with_the_updates_of_their_rounds(plan: Plan) -> None:
    services = InProcess(plan.model_copy(update={"rounds": 4}))
    run = services.run()
    kept = services.ports.artifacts.keys(f"runs/{run.id}/server_state/")
    newest = services.manifest(run.id, 4).round
    assert newest.aggregation is not None
    of_newest = (newest.server_state_sha256 or "", newest.aggregation.server_state_sha256 or "")
    assert kept == sorted(object_keys.server_state(run.id, sha256) for sha256 in of_newest)
    assert len(services.ports.artifacts.keys(f"runs/{run.id}/guidance/")) == 5


def test_a_state_stays_that_the_round_after_abandoned_ones_starts_from(plan: Plan) -> None:
    services = InProcess(plan)
    run_id = services.start()
    for number in (2, 3, 4):
        services.until(run_id, in_round(services, number))
        retry_round(services.ports, run_id, number)
    run = services.to_end(run_id)
    assert (run.phase, run.round) == (RunPhase.COMPLETED, 5)
    started_from = {services.ports.ledger.load_round(run_id, number).server_state_sha256 for number in (2, 3, 4, 5)}
    assert len(started_from) == 1
