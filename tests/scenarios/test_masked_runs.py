"""Whole runs with masks through the real services: their models are those of runs without masks, whatever happens."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from fedface_core.contracts import object_keys
from fedface_core.domain.devices import RoundTask, behaviour
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import Run, RunPhase
from fedface_learning.simulation.simulate import simulate
from support.in_process import Disorder, InProcess
from support.masked_run import MASKS, WITHOUT_DEADLINES, small_masked_plan
from support.stride import Stride

ONE_ROUND = {"rounds": 1, "cohort": {"shard_size": 16, "minimum": 1, "deadline_seconds": 1e6}}


def masked(against: str = "curious", **changes: Any) -> Plan:
    return small_masked_plan(secure_aggregation=MASKS | WITHOUT_DEADLINES | {"against": against}, **changes)


def completed(services: InProcess) -> Run:
    run = services.run()
    assert (run.phase, run.failure) == (RunPhase.COMPLETED, None)
    return run


@pytest.mark.parametrize(
    ("against", "anchor"), [("curious", 0.0), ("lying", 0.0), ("lying", 10.0)], ids=["curious", "lying", "anchor"]
)
def test_a_run_with_masks_makes_the_models_of_a_run_without_and_of_the_simulation(against: str, anchor: float) -> None:
    strategy = {"name": "gaussian-negatives", "anchor": anchor}
    plan = masked(against, strategy=strategy)
    services = InProcess(plan)
    run = completed(services)
    plain = InProcess(small_masked_plan(strategy=strategy))
    plain_run = completed(plain)
    assert run.model_sha256 == plain_run.model_sha256
    assert run.model_sha256 == simulate(plan, evaluate_at=lambda _number: False).model_sha256
    for number in range(plan.rounds + 1):
        ours = services.manifest(run.id, number)
        theirs = plain.manifest(plain_run.id, number)
        assert ours.round.aggregation is not None
        assert theirs.round.aggregation is not None
        beside = {"uploaded_bytes"}
        assert ours.round.aggregation.model_dump(exclude=beside) == theirs.round.aggregation.model_dump(exclude=beside)
        assert ours.enrolled == theirs.enrolled
        assert all(update.images is None for update in ours.accepted.values())


@pytest.mark.parametrize("against", ["curious", "lying"])
def test_clients_drop_out_in_each_phase_and_the_model_is_the_simulations(against: str) -> None:
    masks = MASKS | {"against": against, "dropout": 0.4, "sharing_deadline_seconds": 300, "unmasking_deadline_seconds": 300}
    plan = small_masked_plan(32, secure_aggregation=masks, devices={"dropout": 0.1})
    services = InProcess(plan)
    run = completed(services)
    assert run.model_sha256 == simulate(plan, evaluate_at=lambda _number: False).model_sha256
    of_all_rounds = Counter[RoundTask | None]()
    for number in range(1, plan.rounds + 1):
        manifest = services.manifest(run.id, number)
        assert manifest.round.aggregation is not None
        assert manifest.round.aggregation.refused == {}
        gone = Counter(behaviour(plan, client, number, None).drops_out_at for client in manifest.round.cohort)
        assert len(manifest.failed) == gone[RoundTask.SHARE] > 0
        assert len(manifest.accepted) == 32 - gone[RoundTask.SHARE] - gone[RoundTask.TRAIN]
        of_all_rounds += gone
    assert {RoundTask.TRAIN, RoundTask.REVEAL} < of_all_rounds.keys()
    unmasked = [event.data["because"] for event in services.ports.ledger.events(run.id) if event.name == "round_unmasked"]
    # Against the lying, who may reveal wrong shares, more are needed.
    assert against == "lying" or set(unmasked) == {"settled"}, "enough are left to reveal"


def test_one_attempt_is_enough_to_sign_and_to_reveal() -> None:
    completed(InProcess(masked("lying", rounds=1, cohort={"shard_size": 16, "minimum": 1, "attempts": 1})))


def test_what_masks_needed_goes_with_the_updates_and_journals_stay() -> None:
    services = InProcess(masked(rounds=3))
    run = completed(services)
    kinds = {object_keys.kind(key) for key in services.store.keys(object_keys.run_folder(run.id))}
    assert {"device", "journal", "manifest"} <= kinds
    for number in range(run.updates_kept_from):
        assert not any(services.store.keys(prefix) for prefix in object_keys.prefixes_of_masks(run.id, number))
    assert run.updates_kept_from > 0


def test_messages_may_be_reordered_duplicated_and_lost() -> None:
    plan = masked("lying", **ONE_ROUND)
    model = completed(InProcess(plan)).model_sha256
    disorder = Disorder(3, reorder=True, duplicate=0.2, drop=0.1, stray_sweep=0.1)
    assert completed(InProcess(plan, disorder, kill_after=150)).model_sha256 == model


@pytest.mark.parametrize("redeliver", [True, False])
def test_a_service_may_be_killed_after_any_effect(stride: Stride, redeliver: bool) -> None:
    plan = masked("lying", **ONE_ROUND)
    unharmed = InProcess(plan)
    model = completed(unharmed).model_sha256
    effects = len(unharmed.effect_log.effects)
    # A round has many effects, and most are those of the same step for another client.
    for last_effect in stride.of(range(1, effects + 1, 41)):
        services = InProcess(plan, kill_after=last_effect, redeliver=redeliver)
        assert completed(services).model_sha256 == model, f"killed after effect {last_effect}"
