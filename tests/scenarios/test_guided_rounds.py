"""A strategy with state and guidance: services and simulation agree, and both objects survive any crash."""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fedface_control.operate.round import retry_round
from fedface_control.operate.run import delete_run
from fedface_control.upkeep.restore import restore_run
from fedface_core.contracts import object_keys
from fedface_core.domain.commands import ReduceRound
from fedface_core.domain.plan import DataPlan, Plan
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import RunPhase
from fedface_learning.data import FaceDataset, ImageSize, PhotographRoots, open_dataset, open_photographs, split_identities
from fedface_learning.data.photographs import PhotographDataset
from fedface_learning.formats.codec import decode_tensors
from fedface_learning.simulation.simulate import simulate
from fedface_learning.strategies import STRATEGIES
from support.garbage import collect_garbage
from support.guiding_strategy import GUIDING
from support.in_process import Disorder, InProcess
from support.moments import lose_ledger, moments
from support.places import in_round
from support.stride import Stride
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
    services = InProcess(plan, Disorder(4, reorder=True, duplicate=0.2, drop=0.1))
    expected = simulate(plan)
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
    artifacts = services.ports.artifacts
    kept = artifacts.get(object_keys.server_state(run.id, rounds[2].server_state_sha256 or ""))
    state, _ = decode_tensors(kept)
    last = rounds[2].aggregation
    assert last is not None
    came_to, _ = decode_tensors(artifacts.get(object_keys.server_state(run.id, last.server_state_sha256 or "")))
    updates = [decode_tensors(artifacts.get(key))[0] for key in artifacts.keys(object_keys.transient_prefixes(run.id, 2)[0])]
    assert len(updates) == 2
    torch.testing.assert_close(came_to["strategy/seen"] - state["strategy/seen"], updates[0]["mean"] + updates[1]["mean"])
    assert state["strategy/seen"].any()
    assert any(name.startswith("optimiser/first/") for name in state)
    given, _ = decode_tensors(artifacts.get(object_keys.guidance(run.id, rounds[1].guidance_sha256 or "")))
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


@pytest.mark.parametrize("lost", [False, True], ids=["ledger kept", "ledger lost"])
def test_nothing_that_is_needed_is_garbage_and_a_lost_run_comes_back(plan: Plan, stride: Stride, lost: bool) -> None:
    expected = simulate(plan).model_sha256
    for services, run_id in moments(plan, stride):
        if lost:
            lose_ledger(services)
        services.clock.advance(7200)
        collect_garbage(services.ports, HOUR, dry_run=False)
        if lost:
            restore_run(services.ports, run_id)
        assert services.to_end(run_id).model_sha256 == expected


def test_a_service_may_be_killed_after_any_effect(plan: Plan, stride: Stride) -> None:
    """One training round is enough: it starts from a state and guidance, and leaves others."""
    plan = plan.model_copy(update={"rounds": 1})
    expected = simulate(plan).model_sha256
    unharmed = InProcess(plan)
    unharmed.run()
    for last_effect in stride.of(range(1, len(unharmed.effect_log.effects) + 1)):
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
    assert services.ports.artifacts.keys("") == [object_keys.EARLIER_RUNS]


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


def test_the_state_of_an_abandoned_round_is_removed_too(faces: Path) -> None:
    """Two rounds in a row are abandoned: the first is old while the run still starts from the round before both."""
    services = InProcess(
        tiny_plan(
            faces,
            split={"public": 2},
            cohort={"size": 1},
            aggregation={"optimiser": "momentum"},
            retention={"rounds_of_updates": 1},
        )
    )
    run_id = services.start()
    ledger = services.ports.ledger
    came_to = []
    for number in (1, 2):
        services.until(run_id, in_round(services, number, RoundPhase.EVALUATING))
        came_to.append(ledger.load_round(run_id, number).aggregation)
        retry_round(services.ports, run_id, number)
    assert services.to_end(run_id).round == 4
    kept = services.ports.artifacts.keys(f"runs/{run_id}/server_state/")
    newest = ledger.load_round(run_id, 4)
    assert newest.aggregation is not None
    of_newest = {newest.server_state_sha256 or "", newest.aggregation.server_state_sha256 or ""}
    assert kept == sorted(object_keys.server_state(run_id, sha256) for sha256 in of_newest)
    assert not of_newest & {each and each.server_state_sha256 for each in came_to}


@pytest.mark.parametrize("kind", ["class_embeddings", "server_state"])
def test_what_the_aggregator_kept_is_not_computed_with_once_it_is_damaged(plan: Plan, kind: str) -> None:
    services = InProcess(plan)
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 2)
    started_from = services.ports.ledger.load_round(run_id, 2)
    sha256 = {
        "class_embeddings": started_from.class_embeddings_sha256,
        "server_state": started_from.server_state_sha256,
    }[kind]
    key = getattr(object_keys, kind)(run_id, sha256)
    data = services.ports.artifacts.get(key)
    services.ports.artifacts.put(key, data[:-1] + bytes([data[-1] ^ 1]))
    run = services.to_end(run_id)
    assert (run.phase, run.round) == (RunPhase.FAILED, 2)
    assert re.fullmatch(
        f"round 2: it cannot be reduced: the object {key} has the SHA-256 .{{64}}: it was damaged", run.failure or ""
    )


def test_damaged_guidance_fails_its_clients(plan: Plan) -> None:
    services = InProcess(plan)
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 1)
    key = object_keys.guidance(run_id, services.ports.ledger.load_round(run_id, 1).guidance_sha256 or "")
    services.ports.artifacts.put(key, b"damaged")
    run = services.to_end(run_id)
    assert run.phase is RunPhase.FAILED
    reasons = list(services.ports.ledger.failed(run_id, 1).values())
    assert len(reasons) == 2
    assert all(reason.startswith(f"the object {key} has the SHA-256 ") for reason in reasons)


def test_an_aggregator_without_the_photographs_that_its_strategy_needs_ends_the_run(
    plan: Plan, faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(data: DataPlan, size: ImageSize, identities: int, roots: PhotographRoots) -> FaceDataset:
        return open_dataset(data.model_copy(update={"folder": str(tmp_path / "none")}), size, identities, roots)

    services = InProcess(plan)
    run_id = services.start()
    reduce = services.handlers[ReduceRound]

    def reduce_elsewhere(command: ReduceRound, correlation_id: str) -> None:
        with monkeypatch.context() as patch:
            patch.setattr("fedface_worker.data_sets.open_dataset", nowhere)
            reduce(command, correlation_id)

    services.handlers[ReduceRound] = reduce_elsewhere
    run = services.to_end(run_id)
    assert run.phase is RunPhase.FAILED
    assert (run.failure or "").startswith("round 0: it cannot be reduced: ")
    assert (run.failure or "").endswith("(code folder-not-there)")


def test_an_aggregator_looks_at_each_photograph_once(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[str] = []
    read = PhotographDataset.images

    def noted(dataset: PhotographDataset, identity: str) -> Tensor:
        looked_at.append(identity)
        return read(dataset, identity)

    services = InProcess(plan)
    run_id = services.start()
    reduce = services.handlers[ReduceRound]

    def watched(command: ReduceRound, correlation_id: str) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(PhotographDataset, "images", noted)
            reduce(command, correlation_id)

    services.handlers[ReduceRound] = watched
    assert services.to_end(run_id).phase is RunPhase.COMPLETED
    opened = open_photographs(plan)
    assert sorted(looked_at) == sorted(split_identities(opened.identities, plan.split).public)
