"""A round moves by its table and by nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.strategy import GaussianNegativesPlan
from fedface_core.domain.round import (
    ROUND_TRANSITIONS,
    Round,
    RoundChanges,
    RoundMove,
    RoundPhase,
    ShardRoster,
    Tally,
    latest_scores,
    open_round,
    reason_to_close,
)
from fedface_core.domain.round_phase import WAITS_FOR_CLIENTS
from support.round_results import AGGREGATION, SCORES

RUN = "run-0123456789ab"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(seconds=30)
PLAN = Plan.model_validate({"split": {"clients": 7}, "cohort": {"shard_size": 3, "quorum": 5, "deadline_seconds": 90}})
EVERYONE = tuple(client_id(index) for index in range(7))


MASKED = Plan.model_validate(
    {
        "strategy": "gaussian-negatives",
        "model": {"centring": False},
        "data": {"dataset": "synthetic"},
        "split": {"clients": 40, "test": 2},
        "cohort": {"shard_size": 16},
        "secure_aggregation": {"sharing_deadline_seconds": 20},
    }
)


def a_round(phase: RoundPhase = RoundPhase.OPEN, number: int = 1) -> Round:
    return open_round(PLAN, RUN, number, EVERYONE, "c" * 64, NOW).model_copy(update={"phase": phase})


def masked_round(number: int = 1, **changes: Any) -> Round:
    everyone = tuple(client_id(index) for index in range(40))
    return open_round(MASKED, RUN, number, everyone, "c" * 64, NOW).model_copy(update=changes)


MOVES: dict[RoundMove, Callable[[Round], Round]] = {
    RoundMove.REGISTERED: lambda current: current.registered(LATER),
    RoundMove.SHARED: lambda current: current.shared(),
    RoundMove.HANDED_ON: lambda current: current.handed_on(LATER),
    RoundMove.CLOSE: lambda current: current.closed(LATER),
    RoundMove.UNMASKED: lambda current: current.unmasked(),
    RoundMove.AGGREGATED: lambda current: current.aggregated(AGGREGATION),
    RoundMove.EVALUATED: lambda current: current.evaluated(SCORES, LATER),
    RoundMove.SKIP_EVALUATION: lambda current: current.finished_unscored(LATER),
    RoundMove.SUSPEND: lambda current: current.suspended(LATER),
    RoundMove.REOPEN: lambda current: current.replace(suspended_at=NOW).reopened(LATER),
    RoundMove.ABANDON: lambda current: current.abandoned(LATER, "too few"),
}


@pytest.mark.parametrize(("move", "phase"), [*product(MOVES, RoundPhase)])
def test_a_round_moves_exactly_where_its_table_says(move: RoundMove, phase: RoundPhase) -> None:
    transition = ROUND_TRANSITIONS[move]
    if phase in transition.sources:
        assert MOVES[move](a_round(phase)).phase in transition.targets
    else:
        with pytest.raises(AssertionError, match="no such move"):
            MOVES[move](a_round(phase))


def test_a_round_records_the_results_of_each_move() -> None:
    closed = a_round().closed(LATER)
    assert (closed.closed_at, closed.finished_at) == (LATER, None)
    aggregated = closed.aggregated(AGGREGATION)
    assert aggregated == closed.replace(phase=RoundPhase.EVALUATING, aggregation=AGGREGATION)
    finished = aggregated.evaluated(SCORES, LATER)
    assert (finished.scores, finished.finished_at) == (SCORES, LATER)
    unscored = aggregated.finished_unscored(LATER)
    assert (unscored.scores, unscored.finished_at) == (None, LATER)


def test_a_reopened_round_has_as_long_as_it_had() -> None:
    reopened = a_round().suspended(NOW).reopened(LATER)
    assert (reopened.suspended_at, reopened.deadline_at) == (None, a_round().deadline_at + (LATER - NOW))


def test_a_pause_in_which_the_clock_was_set_back_takes_nothing_from_the_round() -> None:
    reopened = a_round().suspended(LATER).reopened(NOW)
    assert (reopened.suspended_at, reopened.deadline_at) == (None, a_round().deadline_at)


def test_a_masked_round_passes_its_own_phases_each_until_its_deadline() -> None:
    enrolment = masked_round(number=0)
    training = masked_round()
    assert (enrolment.phase, training.phase) == (RoundPhase.REGISTERING, RoundPhase.SHARING)
    assert enrolment.deadline_at == training.deadline_at == NOW + timedelta(seconds=20)
    assert (enrolment.registered(LATER).phase, enrolment.registered(LATER).deadline_at) == (RoundPhase.SHARING, LATER)
    opened = training.shared().handed_on(LATER)
    assert (opened.phase, opened.deadline_at) == (RoundPhase.OPEN, LATER)
    closed = opened.closed(LATER, unmask_by=LATER + timedelta(seconds=5))
    assert (closed.phase, closed.closed_at) == (RoundPhase.UNMASKING, LATER)
    assert closed.deadline_at == LATER + timedelta(seconds=5)
    assert closed.unmasked().phase is RoundPhase.AGGREGATING


@pytest.mark.parametrize("phase", sorted(WAITS_FOR_CLIENTS))
def test_a_pause_ends_in_the_phase_that_it_found(phase: RoundPhase) -> None:
    found = masked_round(phase=phase)
    suspended = Round.model_validate_json(found.suspended(LATER).model_dump_json())
    assert (suspended.phase, suspended.takes) == (RoundPhase.SUSPENDED, phase)
    reopened = suspended.reopened(LATER + timedelta(seconds=7))
    assert reopened == found.replace(deadline_at=found.deadline_at + timedelta(seconds=7))


def test_a_roster_is_never_replaced() -> None:
    first, second = (ShardRoster(shard_round=digit * 64, roster=digit * 64) for digit in "12")
    fixed = masked_round().with_rosters({0: first, 1: None}).with_rosters({0: second, 1: second})
    assert fixed.masks is not None
    assert fixed.masks.rosters == {0: first, 1: None}
    assert Round.model_validate_json(fixed.model_dump_json()) == fixed


def test_the_record_of_a_round_without_masks_is_as_it_was() -> None:
    suspended = a_round().suspended(LATER)
    assert not {"masks", "suspended_from"} & json.loads(suspended.model_dump_json()).keys()


def test_no_masked_shard_is_small() -> None:
    assert (a_round().shard_size, masked_round().shard_size, masked_round().shards) == (3, 20, 2)


def test_what_a_round_changes_are_its_fields() -> None:
    """A name that is no field, or that has another type, passes neither mypy nor this test."""
    fields = get_type_hints(Round)
    changes = get_type_hints(RoundChanges)
    assert changes == {name: fields[name] for name in changes}


@pytest.mark.parametrize("wrong", [{"phase": "ajar"}, {"closed_at": "soon"}, {"aggregation": "good"}, {"closed": LATER}])
def test_a_wrong_name_or_value_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        a_round().replace(**wrong)


@pytest.mark.parametrize("phase", [RoundPhase.OPEN, RoundPhase.AGGREGATING, RoundPhase.EVALUATING])
def test_a_round_can_be_abandoned_until_it_ends(phase: RoundPhase) -> None:
    abandoned = a_round(phase).abandoned(LATER, "too few")
    assert (abandoned.phase, abandoned.finished_at) == (RoundPhase.ABANDONED, LATER)
    assert abandoned.abandoned_because == "too few"
    with pytest.raises(AssertionError):
        abandoned.abandoned(LATER, "again")


def test_a_training_round_is_opened_as_planned() -> None:
    opened = a_round()
    assert (opened.phase, opened.opened_at, opened.deadline_at) == (RoundPhase.OPEN, NOW, NOW + timedelta(seconds=90))
    assert (opened.quorum, opened.minimum, opened.shard_size, opened.shards) == (5, 3, 3, 3)


def test_enrolment_waits_for_everybody() -> None:
    assert a_round(number=0).quorum == 7


def test_the_quorum_shrinks_with_the_cohort_and_the_minimum_does_not() -> None:
    plan = Plan.model_validate({"split": {"clients": 7}, "cohort": {"quorum": 5, "minimum": 4}})
    opened = open_round(plan, RUN, 1, EVERYONE[:2], "c" * 64, NOW)
    assert (opened.quorum, opened.minimum) == (2, 4)


@given(clients=st.integers(1, 40), shard_size=st.integers(1, 45))
def test_shards_divide_the_cohort_in_client_order(clients: int, shard_size: int) -> None:
    plan = Plan.model_validate({"split": {"clients": clients}, "cohort": {"shard_size": shard_size}})
    cohort = tuple(client_id(index) for index in range(clients))
    opened = open_round(plan, RUN, 1, cohort, "c" * 64, NOW)
    shards = [opened.shard_members(shard) for shard in range(opened.shards)]
    assert sum(shards, ()) == cohort
    assert all(len(members) == shard_size for members in shards[:-1])
    assert opened.shard_of_each() == {client: shard for shard, members in enumerate(shards) for client in members}


def test_the_latest_scores_are_those_of_the_newest_evaluated_round() -> None:
    evaluated = a_round(RoundPhase.FINISHED).model_copy(update={"scores": SCORES})
    assert latest_scores([]) is None
    assert latest_scores([a_round()]) is None
    assert latest_scores([a_round(number=0), evaluated, a_round(number=2)]) == (1, SCORES)


def tally(accepted: int, failed: int) -> Tally:
    unsettled = frozenset(EVERYONE[accepted + failed :])
    return Tally(
        accepted=accepted,
        failed=failed,
        late=0,
        unsettled=unsettled,
        accepted_shards=frozenset(),
        folded_shards=frozenset(),
        last_activity=NOW,
    )


@pytest.mark.parametrize(
    ("accepted", "failed", "seconds", "reason"),
    [
        (4, 0, 0, None),
        (5, 0, 0, "settled"),
        (0, 7, 0, "settled"),
        (4, 2, 90, None),
        (4, 2, 91, "deadline"),
        (5, 0, 91, "settled"),
    ],
)
def test_a_round_closes_at_its_quorum_when_all_have_settled_or_after_its_deadline(
    accepted: int, failed: int, seconds: int, reason: str | None
) -> None:
    now = NOW + timedelta(seconds=seconds)
    assert reason_to_close(a_round(), tally(accepted, failed), now) == reason


@pytest.mark.parametrize("phase", [phase for phase in RoundPhase if phase is not RoundPhase.OPEN])
def test_only_an_open_round_closes(phase: RoundPhase) -> None:
    assert reason_to_close(a_round(phase), tally(7, 0), NOW + timedelta(days=1)) is None


def test_a_carried_client_trains_the_model_of_an_earlier_round() -> None:
    opened = open_round(PLAN, RUN, 4, EVERYONE, "c" * 64, NOW, carried={EVERYONE[1]: 2})
    assert (opened.base_of(EVERYONE[0]), opened.base_of(EVERYONE[1])) == (4, 2)


def test_a_round_starts_from_the_results_of_its_base() -> None:
    base = a_round(number=2).replace(aggregation=AGGREGATION)
    opened = open_round(PLAN, RUN, 4, EVERYONE, "c" * 64, NOW, base=base)
    assert (opened.base, opened.class_embeddings_sha256) == (2, AGGREGATION.class_embeddings_sha256)
    assert a_round(number=0).base is None


def test_all_rounds_are_held_to_the_model_that_the_first_one_started_from() -> None:
    """Whichever round each of them starts from, and however often the first one is retried."""
    plan = PLAN.model_copy(update={"strategy": GaussianNegativesPlan(name="gaussian-negatives", anchor=10.0)})
    enrolment = open_round(plan, RUN, 0, EVERYONE, "c" * 64, NOW)
    assert enrolment.anchor_sha256 is None
    first, retried = (open_round(plan, RUN, number, EVERYONE, "d" * 64, NOW, base=enrolment) for number in (1, 2))
    assert first.anchor_sha256 == retried.anchor_sha256 == "d" * 64
    third = open_round(plan, RUN, 3, EVERYONE, "e" * 64, NOW, base=retried)
    assert (third.model_sha256, third.anchor_sha256) == ("e" * 64, "d" * 64)
    assert open_round(PLAN, RUN, 3, EVERYONE, "e" * 64, NOW, base=first).anchor_sha256 is None, "the plan has no anchor"
    assert "anchor_sha256" not in enrolment.model_dump(), "rounds without one are as they were in earlier versions"
