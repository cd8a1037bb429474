"""Whom a phase of a masked round asks, for what, and when it ends: all of it follows from record and tally."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedface_core.domain.commands import ClientsOfRound, RegisterDevices, RevealShares, ShareKeys, SignAcceptedSet
from fedface_core.domain.deposit import Deposit
from fedface_core.domain.ids import client_id
from fedface_core.domain.masked_phases import (
    asked_of_clients,
    asked_to_reveal,
    clients_to_unmask,
    least_in_sum,
    members_of_shard,
    reason_to_move_on,
    revelations_needed,
    too_small_shards,
)
from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.merge_patch import apply_merge_patch
from fedface_core.domain.round import Round, RoundMasks, ShardRoster, Tally, open_round
from fedface_core.domain.round_phase import DEPOSITS, RoundPhase

RUN = "run-0123456789ab"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
COHORT = tuple(client_id(index) for index in range(32))
FIRST = COHORT[:16]
SECOND = COHORT[16:]
SIGNERS = 11
"""Of a shard of 16 against the lying."""
ROSTER = ShardRoster(shard_round="1" * 64, roster="2" * 64)
MASKED = RoundMasks(rosters={0: ROSTER, 1: ROSTER})


def a_plan(against: str = "lying") -> Plan:
    return Plan.model_validate(
        {
            "strategy": "gaussian-negatives",
            "model": {"centring": False},
            "data": {"dataset": "synthetic"},
            "split": {"clients": 32, "test": 2},
            "cohort": {"shard_size": 16},
            "secure_aggregation": {"against": against},
        }
    )


PLAN = a_plan()


def a_round(phase: RoundPhase, number: int = 1, masks: RoundMasks = MASKED) -> Round:
    return open_round(PLAN, RUN, number, COHORT, "c" * 64, NOW).model_copy(update={"phase": phase, "masks": masks})


def a_tally(unsettled: Iterable[str] = COHORT, accepted: Iterable[str] = (), **deposited: Iterable[str]) -> Tally:
    """A tally; deposits by the name of their kind."""
    return Tally(
        accepted=len(list(accepted)),
        failed=0,
        late=0,
        unsettled=frozenset(unsettled),
        accepted_shards=frozenset(),
        folded_shards=frozenset(),
        deposited={Deposit(kind): frozenset(clients) for kind, clients in deposited.items()},
        accepted_clients=frozenset(accepted),
        last_activity=NOW,
    )


def asked(phase: RoundPhase, tally: Tally, number: int = 1, plan: Plan = PLAN) -> dict[type[ClientsOfRound], list[str]]:
    return dict(asked_of_clients(plan, a_round(phase, number), tally))


def test_unsettled_clients_register_and_share_unless_they_have() -> None:
    tally = a_tally(unsettled=COHORT[:5], device_keys=COHORT[1:3], key_bundle=COHORT[3:])
    assert asked(RoundPhase.REGISTERING, tally, number=0) == {RegisterDevices: [COHORT[0], COHORT[3], COHORT[4]]}
    assert asked(RoundPhase.SHARING, tally) == {ShareKeys: list(COHORT[:3])}


def test_at_enrolment_those_share_keys_that_have_registered() -> None:
    registered = [*FIRST[:13], *SECOND[:2]]
    tally = a_tally(unsettled=registered, device_keys=registered)
    assert asked(RoundPhase.SHARING, tally, number=0) == {ShareKeys: list(FIRST[:13])}, "two are no shard"
    enrolment = a_round(RoundPhase.SHARING, number=0)
    assert members_of_shard(enrolment, 0, registered) == list(FIRST[:13])
    assert members_of_shard(a_round(RoundPhase.SHARING), 1, registered) == list(SECOND)


@pytest.mark.parametrize("phase", [phase for phase in RoundPhase if phase not in DEPOSITS])
def test_other_phases_ask_for_no_deposit_and_do_not_end_here(phase: RoundPhase) -> None:
    tally = a_tally()
    assert asked(phase, tally) == {}
    assert reason_to_move_on(PLAN, a_round(phase), tally, NOW + timedelta(days=9)) is None


def test_each_shard_signs_until_enough_have_and_then_reveals() -> None:
    tally = a_tally(unsettled=(), accepted=COHORT, signature=[*FIRST[:SIGNERS], *SECOND[1:SIGNERS]], revelation=FIRST[2:5])
    to_reveal = [client for client in FIRST if client not in FIRST[2:5]]
    assert asked(RoundPhase.UNMASKING, tally) == {
        RevealShares: to_reveal,
        SignAcceptedSet: [*FIRST[SIGNERS:], SECOND[0], *SECOND[SIGNERS:]],  # some of the first may have signed another set
    }
    unmasking = a_round(RoundPhase.UNMASKING)
    assert asked_to_reveal(PLAN, unmasking, tally, 0) == to_reveal
    assert asked_to_reveal(PLAN, unmasking, tally, 1) == asked_to_reveal(PLAN, unmasking, tally, 7) == []
    assert asked_to_reveal(PLAN, a_round(RoundPhase.AGGREGATING), tally, 0) == []


def test_against_the_curious_nobody_signs() -> None:
    tally = a_tally(unsettled=(), accepted=COHORT)
    assert asked(RoundPhase.UNMASKING, tally, plan=a_plan("curious")) == {RevealShares: list(COHORT)}


@pytest.mark.parametrize("against", ["curious", "lying"])
@pytest.mark.parametrize("members", [16, 32, 64, 256])
def test_those_needed_to_reveal_leave_enough_neighbours_to_every_client(members: int, against: str) -> None:
    masks = {"against": against, "corrupt": 0.1}
    plan = apply_merge_patch(a_plan(against), {"split": {"clients": 1024}, "secure_aggregation": masks})
    graph = plan.mask_graph(members)
    needed = revelations_needed(plan, members, members)
    assert needed < members, "a round waits for no single client"
    wrong = ceil(0.1 * members) if against == "lying" else 0
    assert graph.degree - (members - needed) - wrong >= graph.threshold, "all that are missing are neighbours of one"
    assert revelations_needed(plan, members, needed - 1) == needed - 1, "then all have to"


def test_a_shard_is_asked_no_more_once_enough_have_revealed() -> None:
    plan = a_plan("curious")
    needed = revelations_needed(plan, 16, 16)
    for revealed in (needed - 1, needed):
        tally = a_tally(unsettled=(), accepted=COHORT, revelation=[*FIRST[:revealed], *SECOND])
        asked_now = {} if revealed == needed else {RevealShares: list(FIRST[revealed:])}
        assert asked(RoundPhase.UNMASKING, tally, plan=plan) == asked_now


def test_shards_that_cannot_be_unmasked_are_asked_nothing() -> None:
    least = least_in_sum(PLAN, 16)
    assert least == SIGNERS
    assert least_in_sum(a_plan("curious"), 16) == 11, "all but the three tenths that may drop out"
    half_may_go = apply_merge_patch(a_plan("curious"), {"secure_aggregation": {"dropout": 0.5}})
    assert least_in_sum(half_may_go, 16) == 8, "the plan's minimum"
    assert least_in_sum(PLAN, 2) is None
    too_few = set(FIRST[: least - 1])
    assert clients_to_unmask(PLAN, a_round(RoundPhase.UNMASKING), {*too_few, *SECOND}, frozenset()) == {1: list(SECOND)}
    left_out = a_round(RoundPhase.UNMASKING, masks=RoundMasks(rosters={0: None, 1: ROSTER}))
    assert clients_to_unmask(PLAN, left_out, frozenset(COHORT), frozenset()) == {1: list(SECOND)}


def test_a_shard_is_left_out_of_which_too_few_have_shared_keys() -> None:
    tally = a_tally(unsettled=COHORT[3:], key_bundle=[*FIRST[:13], *SECOND])
    handing_on = a_round(RoundPhase.HANDING_ON, masks=RoundMasks())
    why = "10 clients of shard 0 have shared keys, fewer than the 11 of a sum that can be unmasked"
    assert too_small_shards(PLAN, handing_on, tally) == {0: why}, "three of thirteen have failed since"
    assert too_small_shards(PLAN, handing_on.with_rosters({0: None}), tally) == {}
    enrolment = a_round(RoundPhase.HANDING_ON, number=0, masks=RoundMasks())
    few = a_tally(device_keys=[*FIRST, SECOND[0]], key_bundle=FIRST)
    assert too_small_shards(PLAN, enrolment, few) == {1: "shard 1 has 1 clients, too few to mask their updates"}


@pytest.mark.parametrize("phase", DEPOSITS)
def test_a_phase_ends_once_nobody_is_asked_or_its_deadline_has_passed(phase: RoundPhase) -> None:
    waiting = a_tally(accepted=COHORT)
    done = a_tally(unsettled=(), accepted=COHORT, signature=COHORT, revelation=COHORT)
    current = a_round(phase)
    assert reason_to_move_on(PLAN, current, waiting, current.deadline_at) is None
    assert reason_to_move_on(PLAN, current, waiting, current.deadline_at + timedelta(microseconds=1)) == "deadline"
    assert reason_to_move_on(PLAN, current, done, NOW) == "settled"


some = st.sets(st.sampled_from(COHORT))


@given(st.sampled_from(sorted(DEPOSITS)), some, some, some, some, some, st.sampled_from(["curious", "lying"]))
def test_only_those_are_asked_of_whom_the_phase_lacks_something(
    phase: RoundPhase,
    accepted: set[str],
    device: set[str],
    bundle: set[str],
    signed: set[str],
    revealed: set[str],
    against: str,
) -> None:
    unsettled = set(COHORT) - accepted
    made = {"device_keys": device, "key_bundle": bundle, "signature": signed & accepted, "revelation": revealed & accepted}
    tally = a_tally(unsettled, accepted, **made)
    awaited = accepted if phase is RoundPhase.UNMASKING else unsettled
    for command, clients in asked(phase, tally, plan=a_plan(against)).items():
        deposit = {
            RegisterDevices: Deposit.DEVICE_KEYS,
            ShareKeys: Deposit.KEY_BUNDLE,
            SignAcceptedSet: Deposit.SIGNATURE,
            RevealShares: Deposit.REVELATION,
        }[command]
        assert deposit in DEPOSITS[phase]
        assert clients == sorted(clients)
        assert clients
        assert set(clients) <= awaited - tally.deposited[deposit]
