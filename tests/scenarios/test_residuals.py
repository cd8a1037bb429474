"""The residual of an update is added to the client's next change exactly if that update is in the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fedface_client.invitation import Invitation
from fedface_control.operate.round import retry_round
from fedface_control.operate.run import delete_run, pause_run, resume_run
from fedface_control.upkeep.restore import restore_run
from fedface_core.contracts import object_keys
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import RunPhase
from fedface_learning.client.update import Update
from fedface_learning.simulation.simulate import simulate
from support.client_updates import change_updates
from support.garbage import collect_garbage
from support.in_process import Disorder, InProcess
from support.moments import lose_ledger, moments
from support.replayed import accepted_sets, replayed
from support.stride import Stride
from support.tiny_run import tiny_plan

VICTIM = "client-000001"


def encoded_plan(faces: Path, **changes: Any) -> Plan:
    return tiny_plan(faces, update_encoding={"name": "top-k", "share": 0.2}, **{"rounds": 3} | changes)


def summing_plan(faces: Path, **changes: Any) -> Plan:
    """Its clients keep their class embeddings, from enrolment on."""
    return tiny_plan(faces, strategy="gaussian-negatives", **{"rounds": 3} | changes)


@pytest.mark.parametrize("plan_of", [encoded_plan, summing_plan])
@pytest.mark.parametrize("seed", range(6))
def test_only_the_accepted_sets_decide_which_residuals_count(faces: Path, seed: int, plan_of: Callable[..., Plan]) -> None:
    """With a quorum some updates come late. Their residuals are in the store and must not count."""
    cohort = {"quorum": 2, "shard_size": 32}
    services = InProcess(plan_of(faces, cohort=cohort, rounds=5), Disorder(seed, reorder=True, duplicate=0.2, drop=0.1))
    run = services.run()
    counted = accepted_sets(services, run.id)
    assert any(len(clients) < 4 for _, clients in counted)
    assert run.model_sha256 == replayed(services.plan, counted)


def test_the_residual_of_a_late_update_does_not_count(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client trains in time and puts its update; its worker then sleeps until the round is closed."""
    services = InProcess(encoded_plan(faces, cohort={"quorum": 3, "shard_size": 32}))
    run_id = services.start()
    put = services.ports.artifacts.put

    def put_then_sleep(key: str, *content: Any, **named: Any) -> None:
        put(key, *content, **named)
        if key == object_keys.update(run_id, 1, VICTIM):
            while services.ports.ledger.load_round(run_id, 1).phase is RoundPhase.OPEN:
                services.step()

    monkeypatch.setattr(services.ports.artifacts, "put", put_then_sleep)
    services.until(run_id, lambda run: run.round == 2)
    left_by = {object_keys.parse_residual_key(key) for key in services.ports.artifacts.keys(object_keys.residuals(run_id))}
    assert (1, VICTIM) in left_by
    others = ("client-000000", "client-000002", "client-000003")
    assert services.ports.ledger.load_round(run_id, 2).residuals == dict.fromkeys(others, 1)
    run = services.to_end(run_id)
    counted = accepted_sets(services, run_id)
    assert counted[0] == (1, others)
    assert run.model_sha256 == replayed(services.plan, counted)


def test_the_residuals_of_an_abandoned_round_do_not_count(faces: Path) -> None:
    services = InProcess(encoded_plan(faces, cohort={"shard_size": 32}))
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 2 and services.ports.ledger.tally(run_id, 2).accepted == 4)
    retry_round(services.ports, run_id, 2)
    run = services.to_end(run_id)
    rounds = services.ports.ledger.rounds(run_id)
    assert [done.phase for done in rounds][2] is RoundPhase.ABANDONED
    assert set(rounds[3].residuals.values()) == {1}
    counted = accepted_sets(services, run_id)
    assert [number for number, _ in counted] == [1, 3, 4]
    assert run.model_sha256 == replayed(services.plan, counted)


def test_the_residual_of_a_refused_update_does_not_count(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def declare_more_images(invitation: Invitation, honest: Update) -> Update:
        declared = honest.accepted.model_copy(update={"images": 1000})
        chosen = (invitation.opened_round.number, invitation.client_id) == (1, VICTIM)
        return replace(honest, accepted=declared) if chosen else honest

    change_updates(monkeypatch, declare_more_images)
    services = InProcess(encoded_plan(faces))
    run = services.run()
    assert run.phase is RunPhase.COMPLETED
    second, third = (services.ports.ledger.load_round(run.id, number) for number in (2, 3))
    assert (VICTIM in second.residuals, third.residuals[VICTIM]) == (False, 2)


def test_a_pause_changes_nothing(faces: Path) -> None:
    services = InProcess(encoded_plan(faces))
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 2 and services.ports.ledger.tally(run_id, 2).accepted == 1)
    pause_run(services.ports, run_id, now=True)
    services.drain()
    resume_run(services.ports, run_id)
    assert services.to_end(run_id).model_sha256 == simulate(services.plan).model_sha256


@pytest.mark.parametrize("plan_of", [encoded_plan, summing_plan])
@pytest.mark.parametrize("lost", [False, True], ids=["ledger kept", "ledger lost"])
def test_garbage_may_be_collected_and_the_ledger_lost_at_any_moment(
    faces: Path, stride: Stride, lost: bool, plan_of: Callable[..., Plan]
) -> None:
    """Each round invites one client, and updates of one round are kept: a residual is needed long after its update."""
    plan = plan_of(
        faces,
        split={"clients": 3},
        cohort={"size": 1, "shard_size": 1},
        rounds=6,
        retention={"rounds_of_updates": 1},
        seed=3,
    )
    expected = simulate(plan).model_sha256
    for services, run_id in moments(plan, stride):
        if lost:
            lose_ledger(services)
        services.clock.advance(7200)
        collect_garbage(services.ports, timedelta(hours=1), dry_run=False)
        if lost:
            restore_run(services.ports, run_id)
        assert services.to_end(run_id).model_sha256 == expected


@pytest.mark.parametrize("plan_of", [encoded_plan, summing_plan])
def test_old_residuals_are_removed_but_those_that_are_gone_on_from(faces: Path, plan_of: Callable[..., Plan]) -> None:
    plan = plan_of(faces, cohort={"size": 1}, rounds=8, retention={"rounds_of_updates": 1}, seed=1)
    services = InProcess(plan)
    run = services.run()
    artifacts = services.ports.artifacts
    took_part = {number: services.manifest(run.id, number).round.cohort[0] for number in range(1, 9)}
    enrolled = dict.fromkeys(services.manifest(run.id, 0).round.cohort, 0) if plan.only_sums else {}
    newest = enrolled | {client: number for number, client in took_part.items() if number < 8}
    kept = {object_keys.parse_residual_key(key) for key in artifacts.keys(object_keys.residuals(run.id))}
    assert len(newest) > 1
    assert kept == {(number, client) for client, number in newest.items()} | {(8, took_part[8])}
    services.clock.advance(7200)
    assert collect_garbage(services.ports, timedelta(hours=1), dry_run=True) == []
    delete_run(services.ports, run.id, run.id)
    services.sweep_after(1)
    assert artifacts.keys(object_keys.run_folder(run.id)) == []


def lose(services: InProcess, key: str) -> None:
    services.ports.artifacts.delete(key)


def damage(services: InProcess, key: str) -> None:
    services.ports.artifacts.put(key, services.ports.artifacts.get(key)[:-1] + b"!")


@pytest.mark.parametrize(("harm", "reason"), [(lose, "the residual of round 1 is gone"), (damage, "it was damaged")])
def test_a_client_whose_residual_is_unusable_fails_with_the_reason(
    faces: Path, harm: Callable[[InProcess, str], None], reason: str
) -> None:
    """Training without the residual would make another model from the same accepted sets."""
    services = InProcess(encoded_plan(faces))
    run_id = services.start()
    services.until(run_id, lambda run: run.round == 2)
    for key in services.ports.artifacts.keys(object_keys.residuals(run_id)):
        if object_keys.parse_residual_key(key) == (1, VICTIM):
            harm(services, key)
    assert services.to_end(run_id).phase is RunPhase.COMPLETED
    assert reason in services.manifest(run_id, 2).failed[VICTIM]
