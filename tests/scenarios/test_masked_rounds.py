"""Masked rounds through the real control: whatever happens to messages and processes, the sums are those without masks."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from fedface_control.operate.round import close_round_early, retry_round
from fedface_control.operate.run import pause_run, resume_run
from fedface_control.upkeep.restore import restore_run
from fedface_core.domain.commands import (
    Command,
    EnrolClients,
    RegisterDevices,
    RevealShares,
    ShareKeys,
    SignAcceptedSet,
    TrainClients,
)
from fedface_core.domain.errors import WrongPhaseError
from fedface_core.domain.ids import client_id
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.round_phase import WAITS_FOR_CLIENTS
from fedface_core.domain.run import RunPhase
from support.in_process import REPEAT_AFTER, Disorder
from support.lost_ledger import lose
from support.pausing import check_stands_still
from support.places import in_round
from support.scripted_masks import FIRST_MODEL, ScriptedMasks, Silent, masked_plan, next_model
from support.stride import Stride

PATIENT: dict[str, Any] = {
    "cohort": {"shard_size": 16, "deadline_seconds": 1e6},
    "secure_aggregation": {"sharing_deadline_seconds": 1e6, "unmasking_deadline_seconds": 1e6},
}
"""No deadline passes while a test advances the clock so that lost messages are repeated."""
SMALL = {"split": {"clients": 16}, "rounds": 1} | PATIENT
LYING = PATIENT["secure_aggregation"] | {"against": "lying"}
FIRST_SHARD = {client_id(index) for index in range(17)}
BEFORE_THE_END = (RoundPhase.SHARING, RoundPhase.HANDING_ON, RoundPhase.OPEN, RoundPhase.UNMASKING, RoundPhase.AGGREGATING)


def averaged(services: ScriptedMasks, run_id: str, number: int) -> set[str]:
    """The clients whose updates are in the model of a round, by its manifest."""
    manifest = services.manifest(run_id, number)
    assert manifest.round.aggregation is not None
    return set(manifest.accepted.keys() - manifest.round.aggregation.refused.keys())


def assert_sums_without_masks(services: ScriptedMasks, run_id: str, *, everybody: bool = True) -> None:
    """Check that the run has ended with the model of the updates that its manifests name."""
    run = services.ports.ledger.load(run_id)
    assert (run.phase, run.failure) == (RunPhase.COMPLETED, None)
    model = FIRST_MODEL
    for current in services.ports.ledger.rounds(run_id):
        if current.phase is RoundPhase.FINISHED:
            clients = averaged(services, run_id, current.number)
            assert clients == set(current.cohort) or not everybody
            model = next_model(model, clients)
    assert run.model_sha256 == model


def silent_to(*commands: type[Command], clients: set[str], number: int = 1) -> Silent:
    """These clients do not answer these commands in a round."""
    return lambda command, asked_in, client: command in commands and asked_in == number and client in clients


@pytest.mark.parametrize("against", ["curious", "lying"])
def test_a_run_with_masks_makes_the_model_of_one_without(against: str) -> None:
    services = ScriptedMasks(masked_plan(secure_aggregation={"against": against}))
    run = services.run()
    assert_sums_without_masks(services, run.id)
    assert [event.name for event in services.ports.ledger.events(run.id)].count("round_unmasked") == 3


@pytest.mark.parametrize("seed", range(4))
def test_messages_may_be_reordered_duplicated_and_lost(seed: int) -> None:
    plan = masked_plan(split={"clients": 32}, rounds=1, secure_aggregation=LYING, cohort=PATIENT["cohort"])
    disorder = Disorder(seed, reorder=True, duplicate=0.2, drop=0.1, stray_sweep=0.1)
    services = ScriptedMasks(plan, disorder, kill_after=211 * seed + 40)
    assert_sums_without_masks(services, services.run().id)


@pytest.mark.parametrize("redeliver", [True, False])
@pytest.mark.parametrize("against", ["curious", "lying"])
def test_a_service_may_be_killed_after_any_effect(stride: Stride, redeliver: bool, against: str) -> None:
    plan = masked_plan(**SMALL | {"secure_aggregation": PATIENT["secure_aggregation"] | {"against": against}})
    unharmed = ScriptedMasks(plan)
    model = unharmed.run().model_sha256
    effects = len(unharmed.effect_log.effects)
    # A round has many effects, and most are those of the same step for another client.
    for last_effect in stride.of(range(1, effects + 1, 11)):
        services = ScriptedMasks(plan, kill_after=last_effect, redeliver=redeliver)
        run = services.run()
        assert (run.phase, run.model_sha256) == (RunPhase.COMPLETED, model), f"killed after effect {last_effect}"
        assert len(services.effect_log.effects) >= last_effect, "it was killed"


@pytest.mark.parametrize(
    ("command", "accepted", "in_sum"),
    [
        (ShareKeys, 14, 14),  # three of seventeen are not on the roster
        (TrainClients, 14, 14),
        (SignAcceptedSet, 17, 17),
        (RevealShares, 17, 17),
    ],
)
def test_clients_may_drop_out_in_any_phase(command: type[Command], accepted: int, in_sum: int) -> None:
    gone = {client_id(index) for index in (0, 5, 9)}
    plan = masked_plan(rounds=1, secure_aggregation={"against": "lying"})
    services = ScriptedMasks(plan, silent=silent_to(command, clients=gone))
    run = services.run()
    assert_sums_without_masks(services, run.id, everybody=False)
    manifest = services.manifest(run.id, 1)
    assert len(manifest.accepted.keys() & FIRST_SHARD) == accepted
    assert len(averaged(services, run.id, 1) & FIRST_SHARD) == in_sum
    reasons = set(manifest.failed.values())
    assert reasons == ({"it shared no keys before the deadline"} if command is ShareKeys else set())


def test_a_device_that_registers_no_keys_is_not_enrolled() -> None:
    gone = {client_id(3)}
    services = ScriptedMasks(masked_plan(), silent=silent_to(RegisterDevices, clients=gone, number=0))
    run = services.run()
    assert_sums_without_masks(services, run.id, everybody=False)
    assert services.manifest(run.id, 0).failed == {client_id(3): "its device registered no keys before the deadline"}
    assert client_id(3) not in services.manifest(run.id, 2).round.cohort


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (ShareKeys, "7 clients of shard 0 have shared keys, fewer than the 11 of a sum that can be unmasked"),
        (TrainClients, None),
        (RevealShares, None),
    ],
)
def test_a_shard_of_which_too_few_are_left_is_left_out_and_the_round_goes_on(
    command: type[Command], why: str | None
) -> None:
    gone = {client_id(index) for index in range(7, 17)} if command is not RevealShares else FIRST_SHARD - {client_id(0)}
    services = ScriptedMasks(masked_plan(rounds=1), silent=silent_to(command, clients=gone))
    run = services.run()
    assert_sums_without_masks(services, run.id, everybody=False)
    assert averaged(services, run.id, 1).isdisjoint(FIRST_SHARD)
    manifest = services.manifest(run.id, 1)
    if why is not None:
        assert {manifest.failed[client] for client in FIRST_SHARD - gone} == {why}
        assert manifest.round.masks is not None
        assert manifest.round.masks.rosters[0] is None
    else:
        assert manifest.round.aggregation is not None
        reasons = list(manifest.round.aggregation.refused.values())
        assert reasons
        assert all(reason.startswith("not_unmasked") for reason in reasons)


@pytest.mark.parametrize("phase", sorted(WAITS_FOR_CLIENTS))
def test_a_pause_at_once_in_any_phase_loses_nothing_and_moves_its_deadline(phase: RoundPhase) -> None:
    services = ScriptedMasks(masked_plan(split={"clients": 16}, rounds=1))
    ledger = services.ports.ledger
    number = 0 if phase is RoundPhase.REGISTERING else 1
    run_id = services.start()
    services.until(run_id, in_round(services, number, phase))
    deadline = ledger.load_round(run_id, number).deadline_at
    pause_run(services.ports, run_id, now=True)
    check_stands_still(services, run_id)
    assert ledger.load_round(run_id, number).takes is phase
    resume_run(services.ports, run_id)
    resumed = ledger.load_round(run_id, number)
    assert resumed.phase is phase
    assert resumed.deadline_at > deadline + 20 * REPEAT_AFTER
    services.to_end(run_id)
    assert_sums_without_masks(services, run_id)


@pytest.mark.parametrize(("number", "phase"), [(0, RoundPhase.REGISTERING), *product((0, 1), BEFORE_THE_END)])
def test_a_lost_ledger_is_restored_in_any_phase(number: int, phase: RoundPhase) -> None:
    """What was put once is found again: rosters, accepted sets, and what clients remember."""
    services = ScriptedMasks(masked_plan(**SMALL | {"secure_aggregation": LYING}))
    run_id = services.start()
    services.until(run_id, in_round(services, number, phase))
    for _ in range(9):
        services.step()
    lose(services, run_id)
    restore_run(services.ports, run_id)
    services.to_end(run_id)
    assert_sums_without_masks(services, run_id)


def test_another_set_than_the_one_that_was_signed_is_not_unmasked() -> None:
    """A restored round accepts one update fewer. Its clients sign no second set, so its shard stays masked."""
    plan = masked_plan(split={"clients": 32}, rounds=1, secure_aggregation={"against": "lying"})
    services = ScriptedMasks(plan)
    run_id = services.start()
    services.until(run_id, in_round(services, 1, RoundPhase.AGGREGATING))
    lose(services, run_id)
    services.silent = silent_to(TrainClients, clients={client_id(0)})
    services.restart_services()
    restore_run(services.ports, run_id)
    run = services.to_end(run_id)
    assert_sums_without_masks(services, run_id, everybody=False)
    assert averaged(services, run.id, 1) == {client_id(index) for index in range(16, 32)}


@pytest.mark.parametrize("phase", BEFORE_THE_END)
def test_a_retried_round_invites_nobody_whose_shares_may_be_known(phase: RoundPhase) -> None:
    plan = masked_plan(split={"clients": 64}, rounds=1, cohort={"size": 32})
    services = ScriptedMasks(plan)
    run_id = services.start()
    services.until(run_id, in_round(services, 1, phase))
    retry_round(services.ports, run_id, 1)
    first, second = (services.ports.ledger.load_round(run_id, number) for number in (1, 2))
    asked = phase in (RoundPhase.UNMASKING, RoundPhase.AGGREGATING)
    assert set(first.cohort).isdisjoint(second.cohort) is asked
    assert len(second.cohort) == 32
    services.to_end(run_id)
    assert_sums_without_masks(services, run_id)


def test_a_round_is_not_retried_if_no_other_clients_are_left() -> None:
    services = ScriptedMasks(masked_plan())
    run_id = services.start()
    services.until(run_id, in_round(services, 1, RoundPhase.UNMASKING))
    with pytest.raises(WrongPhaseError, match=r"cannot retry round 1 of .*: 0 clients can be invited, fewer than the 16"):
        retry_round(services.ports, run_id, 1)
    services.to_end(run_id)
    assert_sums_without_masks(services, run_id)


def test_a_run_fails_if_nobody_is_left_to_invite_after_a_round_that_was_not_unmasked() -> None:
    everybody = {client_id(index) for index in range(34)}
    services = ScriptedMasks(masked_plan(), silent=silent_to(RevealShares, clients=everybody))
    run = services.run()
    assert run.phase is RunPhase.FAILED
    assert run.failure == (
        "0 clients can be invited, fewer than the 16 of a masked round: others are not enrolled, or were asked to unmask a "
        "sum of updates from this model version, and a second sum could show single updates"
    )
    assert services.manifest(run.id, 1).round.abandoned_because == "34 updates were not unmasked"


def test_an_operator_closes_the_open_round_and_no_other_phase() -> None:
    services = ScriptedMasks(masked_plan(rounds=1), silent=silent_to(TrainClients, clients={client_id(1)}))
    run_id = services.start()
    services.until(run_id, in_round(services, 1, RoundPhase.SHARING))
    with pytest.raises(WrongPhaseError, match=r"cannot close round 1 of .*: it is sharing; that takes a round that is open"):
        close_round_early(services.ports, run_id, 1)
    services.until(run_id, lambda _: services.ports.ledger.tally(run_id, 1).accepted == 33)
    close_round_early(services.ports, run_id, 1)
    assert services.ports.ledger.load_round(run_id, 1).phase is RoundPhase.UNMASKING
    services.to_end(run_id)
    assert_sums_without_masks(services, run_id, everybody=False)


def test_enrolment_is_masked_too() -> None:
    gone = {client_id(2)}
    services = ScriptedMasks(masked_plan(rounds=1), silent=silent_to(EnrolClients, clients=gone, number=0))
    run = services.run()
    assert_sums_without_masks(services, run.id, everybody=False)
    assert client_id(2) not in averaged(services, run.id, 0)
