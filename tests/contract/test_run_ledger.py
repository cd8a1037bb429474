"""What every `RunLedger` promises of runs, rounds and the audit trail: memory, a real Valkey, a real Redis."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.client import Pipeline

from fedface_core.adapters.redis.ledger import RedisLedger
from fedface_core.domain.cohort import Participation
from fedface_core.domain.errors import InvalidInputError, NotFoundError, StaleVersionError, WrongPhaseError
from fedface_core.domain.ids import client_id, new_run_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import RoundPhase, RoundState, open_round
from fedface_core.domain.run import Run, RunPhase
from fedface_core.domain.update import AcceptedUpdate, RefusalReason
from fedface_core.ports import EndedRound, RunLedger

T0 = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
SHA = "0" * 64
PLAN = Plan.model_validate({"split": {"clients": 6}, "cohort": {"shard_size": 4}})
COHORT = tuple(client_id(index) for index in range(6))


def created_run(created_at: datetime = T0) -> Run:
    return Run(id=new_run_id(), plan=PLAN, correlation_id="abc", created_at=created_at)


@pytest.fixture
def run(ledger: RunLedger) -> Run:
    run = created_run()
    ledger.create(run)
    return run


def test_a_run_comes_back_as_it_was_created(ledger: RunLedger, run: Run) -> None:
    assert ledger.load(run.id) == run
    assert run.version == 0


def test_an_id_is_taken_once(ledger: RunLedger, run: Run) -> None:
    with pytest.raises(WrongPhaseError, match=run.id):
        ledger.create(run.model_copy(update={"correlation_id": "another"}))
    assert ledger.load(run.id) == run
    assert len(ledger.events(run.id)) == 1


USES_OF_A_RUN: list[Callable[[RunLedger, str], object]] = [
    lambda ledger, run: ledger.load(run),
    lambda ledger, run: ledger.rounds(run),
    lambda ledger, run: ledger.runs(before=run),
    lambda ledger, run: ledger.round_summaries(run),
    lambda ledger, run: ledger.round_numbers(run),
    lambda ledger, run: ledger.participation(run),
    lambda ledger, run: ledger.events(run),
    lambda ledger, run: ledger.load_round(run, 0),
    lambda ledger, run: ledger.round_state(run, 0),
    lambda ledger, run: ledger.record_event(run, "waiting", {}),
    lambda ledger, run: ledger.save(created_run().model_copy(update={"id": run}), "anything"),
]


@pytest.mark.parametrize("use", USES_OF_A_RUN)
def test_an_unknown_run_is_named(ledger: RunLedger, run: Run, use: Callable[[RunLedger, str], object]) -> None:
    with pytest.raises(NotFoundError, match="there is no run run-00000000dead"):
        use(ledger, "run-00000000dead")


def test_runs_are_listed_newest_first(ledger: RunLedger) -> None:
    oldest = created_run(T0)
    newest = created_run(T0 + timedelta(seconds=2))
    middle = created_run(T0 + timedelta(seconds=1))
    for run in (oldest, newest, middle):
        ledger.create(run)
    assert ledger.runs() == [newest, middle, oldest]
    assert ledger.runs(limit=2) == [newest, middle]
    assert ledger.runs(limit=2, before=middle.id) == [oldest]
    assert ledger.runs(before=newest.id) == [middle, oldest]
    assert ledger.runs(before=oldest.id) == []
    assert ledger.unreadable_runs(limit=2, before=middle.id) == {}


def test_runs_are_counted_by_phase(ledger: RunLedger) -> None:
    assert ledger.run_phases() == []
    assert ledger.run_count() == 0
    created = created_run()
    started = created_run()
    for run in (created, started):
        ledger.create(run)
    ledger.save(started.started(T0), "run_started")
    assert ledger.run_count() == 2
    assert sorted(ledger.run_phases()) == [RunPhase.CREATED, RunPhase.PREPARING]
    ledger.delete(started.id)
    assert ledger.run_phases() == [RunPhase.CREATED]
    assert ledger.run_count() == 1


def test_of_some_runs_those_are_known_that_the_ledger_has(ledger: RunLedger, run: Run) -> None:
    other = created_run()
    assert ledger.known_runs([other.id, run.id, run.id, "run-00000000dead"]) == {run.id}
    ledger.create(other)
    assert ledger.known_runs({run.id, other.id}) == {run.id, other.id}
    assert ledger.known_runs([]) == set()
    ledger.delete(run.id)
    assert ledger.known_runs({run.id, other.id}) == {other.id}


def test_no_runs(ledger: RunLedger) -> None:
    assert ledger.runs() == []
    assert ledger.active_runs() == []


def test_active_runs_have_started_and_not_ended_oldest_first(ledger: RunLedger) -> None:
    runs = [created_run(T0 + timedelta(seconds=second)) for second in range(5)]
    for run in reversed(runs):
        ledger.create(run)
    preparing = ledger.save(runs[1].started(T0), "run_started")
    running = ledger.save(ledger.save(runs[2].started(T0), "run_started").in_round(0), "round_opened")
    ledger.save(ledger.save(runs[3].started(T0), "run_started").cancelled(T0), "run_cancelled")
    ledger.save(runs[4].started(T0).failed(T0, "no data"), "run_failed")
    assert ledger.active_runs() == [preparing, running]
    assert ledger.active_runs() == [preparing, running]
    assert len(ledger.runs()) == 5


def test_a_save_grows_the_version_and_leaves_the_rest(ledger: RunLedger, run: Run) -> None:
    saved = ledger.save(run.started(T0), "run_started")
    assert saved == run.started(T0).next_version()
    assert ledger.load(run.id) == saved


def test_a_stale_save_changes_nothing(ledger: RunLedger, run: Run) -> None:
    saved = ledger.save(run.started(T0), "run_started")
    opened = open_round(PLAN, run.id, 0, COHORT, SHA, T0)
    with pytest.raises(StaleVersionError, match=r"version 1, not 0"):
        ledger.save(run.cancelled(T0), "run_cancelled", opened=opened)
    assert ledger.load(run.id) == saved
    assert ledger.rounds(run.id) == []
    assert [event.name for event in ledger.events(run.id)] == ["run_created", "run_started"]


def test_a_save_whose_answer_was_lost_is_repeated_and_changes_nothing(ledger: RunLedger, run: Run) -> None:
    """redis-py sends a script again if no answer comes: the caller is not told that somebody else was faster."""
    first = open_round(PLAN, run.id, 0, COHORT, SHA, T0)
    opened = ledger.save(run.in_round(0), "round_opened", opened=first)
    ledger.accept(run.id, 0, COHORT[0], AcceptedUpdate(sha256=SHA, size=1, images=1))
    assert ledger.save(run.in_round(0), "round_opened", opened=first) == opened
    second = open_round(PLAN, run.id, 1, COHORT, SHA, T0)
    both = ledger.save(opened.in_round(1), "round_opened", opened=second, changed=first.closed(T0))
    assert ledger.save(opened.in_round(1), "round_opened", opened=second, changed=first.closed(T0)) == both
    assert ledger.load(run.id) == both
    assert ledger.tally(run.id, 0).accepted == 1
    assert {of.invited for of in ledger.participation(run.id).values()} == {1}
    assert [event.name for event in ledger.events(run.id)] == ["run_created", "round_opened", "round_opened"]


def test_an_equal_run_with_another_round_is_somebody_elses_change(ledger: RunLedger, run: Run) -> None:
    first = open_round(PLAN, run.id, 0, COHORT, SHA, T0)
    opened = ledger.save(run.in_round(0), "round_opened", opened=first)
    a_second_later = open_round(PLAN, run.id, 0, COHORT, SHA, T0 + timedelta(seconds=1))
    with pytest.raises(StaleVersionError):
        ledger.save(run.in_round(0), "round_opened", opened=a_second_later)
    ledger.save(opened, "round_closed", changed=first.closed(T0))
    with pytest.raises(StaleVersionError):
        ledger.save(opened, "round_closed", changed=first.closed(T0 + timedelta(seconds=1)))
    with pytest.raises(StaleVersionError, match="version 2, not 0"):
        ledger.save(run.in_round(0), "round_opened", opened=first)
    assert ledger.load_round(run.id, 0) == first.closed(T0)


def test_of_many_savers_with_one_version_exactly_one_wins(ledger: RunLedger, run: Run) -> None:
    def save(saver: int) -> Run | None:
        try:
            return ledger.save(run.model_copy(update={"correlation_id": f"saver-{saver}"}), f"by_{saver}")
        except StaleVersionError:
            return None

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(save, range(24)))
    (winner,) = [outcome for outcome in outcomes if outcome is not None]
    assert ledger.load(run.id) == winner
    assert len(ledger.events(run.id)) == 2


def test_rounds_come_back_in_order(ledger: RunLedger, run: Run) -> None:
    rounds = [open_round(PLAN, run.id, number, COHORT, SHA, T0) for number in range(12)]
    for opened in rounds:
        run = ledger.save(run, "round_opened", opened=opened)
    assert ledger.rounds(run.id) == rounds
    assert ledger.load_round(run.id, 11) == rounds[11]
    state = ledger.round_state(run.id, 11)
    assert type(state) is RoundState
    assert state.model_dump() == rounds[11].model_dump(exclude={"cohort"})


@pytest.mark.parametrize(
    ("after", "limit", "numbers"),
    [(None, None, [*range(12)]), (None, 3, [0, 1, 2]), (9, None, [10, 11]), (1, 2, [2, 3]), (11, 5, []), (0, 1, [1])],
)
def test_rounds_come_in_pages(ledger: RunLedger, run: Run, after: int | None, limit: int | None, numbers: list[int]) -> None:
    for number in range(12):
        run = ledger.save(run, "round_opened", opened=open_round(PLAN, run.id, number, COHORT, SHA, T0))
    assert ledger.round_numbers(run.id, after, limit) == numbers
    assert [glance.round.number for glance in ledger.round_summaries(run.id, after, limit)] == numbers


def test_a_round_that_was_never_opened_is_named(ledger: RunLedger, run: Run) -> None:
    never = open_round(PLAN, run.id, 7, COHORT, SHA, T0)
    with pytest.raises(NotFoundError, match=f"{run.id} has no round 7"):
        ledger.load_round(run.id, 7)
    with pytest.raises(NotFoundError, match=f"{run.id} has no round 7"):
        ledger.round_state(run.id, 7)
    with pytest.raises(NotFoundError, match=f"{run.id} has no round 7"):
        ledger.save(run, "round_closed", changed=never)
    assert ledger.load(run.id) == run
    assert ledger.rounds(run.id) == []


def test_one_save_finishes_a_round_and_opens_the_next(ledger: RunLedger, run: Run) -> None:
    first = open_round(PLAN, run.id, 0, COHORT, SHA, T0)
    second = open_round(PLAN, run.id, 1, COHORT, SHA, T0)
    run = ledger.save(run.in_round(0), "round_opened", opened=first)
    finished = first.model_copy(update={"phase": RoundPhase.FINISHED, "finished_at": T0})
    ledger.save(run.in_round(1), "round_opened", opened=second, changed=finished)
    assert ledger.rounds(run.id) == [finished, second]
    assert ledger.tally(run.id, 1).unsettled == frozenset(COHORT)


def test_each_save_leaves_an_event(ledger: RunLedger, run: Run) -> None:
    opened = open_round(PLAN, run.id, 0, COHORT, SHA, T0)
    run = ledger.save(run.started(T0), "run_started")
    run = ledger.save(run.in_round(0), "round_opened", opened=opened)
    run = ledger.save(run.failed(T0, "no updates"), "run_failed", changed=opened.abandoned(T0, "no updates"))
    assert [(event.name, event.data) for event in ledger.events(run.id)] == [
        ("run_created", {"phase": "created"}),
        ("run_started", {"phase": "preparing"}),
        ("round_opened", {"phase": "running", "round": 0, "round_phase": "open"}),
        ("run_failed", {"phase": "failed", "failure": "no updates", "round": 0, "round_phase": "abandoned"}),
    ]


def test_events_are_read_on_from_the_last_one_seen(ledger: RunLedger, run: Run) -> None:
    for step in range(5):
        run = ledger.save(run, f"step_{'abcde'[step]}")
    everything = ledger.events(run.id)
    assert [event.name for event in everything] == ["run_created", *(f"step_{letter}" for letter in "abcde")]
    assert len({event.id for event in everything}) == 6
    for position, event in enumerate(everything):
        assert ledger.events(run.id, after=event.id) == everything[position + 1 :]
    assert ledger.events(run.id, limit=2) == everything[:2]
    assert ledger.events(run.id, after=everything[1].id, limit=3) == everything[2:5]


def test_a_recorded_event_does_not_change_the_run(ledger: RunLedger, run: Run) -> None:
    data: dict[str, str | int | float | None] = {"reason": "no disk “A”", "seconds": 1.5, "round": 3, "shard": None}
    ledger.record_event(run.id, "waiting", data)
    assert ledger.load(run.id) == run
    ledger.save(run.started(T0), "run_started")
    events = ledger.events(run.id)
    assert [(event.name, event.data) for event in events[1:2]] == [("waiting", data)]
    assert [event.name for event in events] == ["run_created", "waiting", "run_started"]


def test_an_event_is_not_recorded_in_a_trail_that_has_as_many_as_it_may(ledger: RunLedger, run: Run) -> None:
    recorded = [most for most in (1, 2, 2, 3, 2, 9) if ledger.record_event(run.id, "waiting", {}, most)]
    assert recorded == [2, 3, 9]
    assert ledger.record_event(run.id, "waiting", {})
    assert len(ledger.events(run.id)) == 5


def test_an_event_of_an_unknown_run_is_not_recorded(ledger: RunLedger, run: Run) -> None:
    unknown = created_run()
    with pytest.raises(NotFoundError):
        ledger.record_event(unknown.id, "waiting", {})
    ledger.create(unknown)
    assert [event.name for event in ledger.events(unknown.id)] == ["run_created"]


def test_events_are_dated_in_order(ledger: RunLedger, run: Run) -> None:
    ledger.save(run, "step")
    first, second = ledger.events(run.id)
    assert first.at.utcoffset() == timedelta(0)
    assert first.at <= second.at


@pytest.mark.parametrize("after", ["", "abc", "1", "-", "(1-0", "1-0\n", "99999999999999999999999-0"])
def test_what_is_no_event_id_is_refused(ledger: RunLedger, run: Run, after: str) -> None:
    with pytest.raises(InvalidInputError, match="event id"):
        ledger.events(run.id, after=after)


def test_acceptance_leaves_no_event(ledger: RunLedger, run: Run) -> None:
    ledger.save(run, "round_opened", opened=open_round(PLAN, run.id, 0, COHORT, SHA, T0))
    before = ledger.events(run.id)
    ledger.begin_attempt(run.id, 0, COHORT[0])
    ledger.fail(run.id, 0, COHORT[0], "not_finite")
    assert ledger.events(run.id) == before


def test_ping_of_a_ledger_that_works(ledger: RunLedger) -> None:
    ledger.ping()


def ended_round(number: int, accepted: tuple[int, ...], failed: tuple[int, ...]) -> EndedRound:
    record = open_round(PLAN, "run-000000000000", number, COHORT, SHA, T0)
    record = record.model_copy(update={"phase": RoundPhase.FINISHED, "closed_at": T0, "finished_at": T0})
    updates = {COHORT[index]: AcceptedUpdate(sha256=SHA, size=1, images=index + 1) for index in accepted}
    return EndedRound(record, updates, {COHORT[index]: "no photographs" for index in failed})


def restored(ledger: RunLedger) -> tuple[Run, list[EndedRound]]:
    run = created_run().model_copy(update={"version": 17, "phase": RunPhase.RUNNING, "round": 1, "base_round": 1})
    rounds = [ended_round(0, (0, 1, 2, 3, 4, 5), ()), ended_round(1, (0, 5), (3,))]
    rounds = [replace(ended, record=ended.record.model_copy(update={"run_id": run.id})) for ended in rounds]
    ledger.restore(run, rounds)
    return run, rounds


def test_a_restored_run_is_as_it_was(ledger: RunLedger) -> None:
    run, rounds = restored(ledger)
    assert ledger.load(run.id) == run
    assert ledger.runs() == ledger.active_runs() == [run]
    assert ledger.rounds(run.id) == [ended.record for ended in rounds]
    for ended in rounds:
        assert ledger.accepted(run.id, ended.record.number) == ended.accepted
        assert ledger.failed(run.id, ended.record.number) == ended.failed
    tally = ledger.tally(run.id, 1)
    assert (tally.accepted, tally.failed) == (2, 1)
    assert tally.accepted_shards == {0, 1}
    assert tally.unsettled == {COHORT[1], COHORT[2], COHORT[4]}
    assert [event.name for event in ledger.events(run.id)] == ["run_restored"]


def test_who_created_and_who_restored_a_run_is_told(ledger: RunLedger) -> None:
    run = created_run().model_copy(update={"owner": "key:ann"})
    ledger.create(run)
    lost = created_run().model_copy(update={"owner": "key:ann"})
    ledger.restore(lost, [], {"actor": "oidc:ben"})
    assert [dict(event.data) for event in ledger.events(run.id)] == [{"phase": "created", "actor": "key:ann"}]
    assert [dict(event.data) for event in ledger.events(lost.id)] == [{"phase": "created", "actor": "oidc:ben"}]
    assert ledger.load(run.id).owner == ledger.load(lost.id).owner == "key:ann"


def test_a_restored_run_goes_on(ledger: RunLedger) -> None:
    run, _ = restored(ledger)
    update = AcceptedUpdate(sha256=SHA, size=1, images=1)
    assert ledger.accept(run.id, 1, COHORT[0], update).refused is RefusalReason.DUPLICATE
    assert ledger.accept(run.id, 1, COHORT[1], update).refused is RefusalReason.LATE
    run = ledger.save(run.in_round(2), "round_opened", opened=open_round(PLAN, run.id, 2, COHORT, SHA, T0))
    assert run.version == 18
    assert ledger.accept(run.id, 2, COHORT[1], update).refused is None


def test_a_run_that_is_there_is_not_restored(ledger: RunLedger, run: Run) -> None:
    with pytest.raises(WrongPhaseError, match=f"{run.id} is in the ledger: there is nothing to restore"):
        ledger.restore(run.model_copy(update={"version": 9}), [ended_round(0, (0,), ())])
    assert ledger.load(run.id) == run
    assert ledger.rounds(run.id) == []


def test_an_older_state_of_a_run_is_replaced_if_that_is_asked_for(ledger: RunLedger, run: Run) -> None:
    """Redis has come back from an older copy, and the store knows better."""
    opened = open_round(PLAN, run.id, 7, COHORT, SHA, T0)
    older = ledger.save(run.in_round(7), "round_opened", opened=opened)
    newer = run.model_copy(update={"version": 9, "phase": RunPhase.RUNNING})
    rounds = [ended_round(number, (0, 5), (3,)) for number in (0, 1)]
    rounds = [replace(ended, record=ended.record.model_copy(update={"run_id": run.id})) for ended in rounds]
    with pytest.raises(WrongPhaseError, match="nothing to restore"):
        ledger.restore(newer, rounds, replaces=older.version + 1)
    assert ledger.load(run.id) == older
    ledger.restore(newer, rounds, replaces=older.version)
    assert ledger.load(run.id) == newer
    assert ledger.rounds(run.id) == [ended.record for ended in rounds]
    assert [event.name for event in ledger.events(run.id)] == ["run_restored"]
    assert {of.invited for of in ledger.participation(run.id).values()} == {1}
    assert not ledger.was_deleted(run.id)
    assert ledger.runs() == ledger.active_runs() == [newer]


def test_participation_counts_training_rounds(ledger: RunLedger, run: Run) -> None:
    assert ledger.participation(run.id) == {}
    update = AcceptedUpdate(sha256=SHA, size=1, images=1)
    for number in range(3):
        opened = open_round(PLAN, run.id, number, COHORT[:2], SHA, T0)
        run = ledger.save(run, "round_opened", opened=opened)
        for _ in range(2):  # the second is a duplicate
            ledger.accept(run.id, number, COHORT[0], update)
        if number == 2:
            ledger.accept(run.id, number, COHORT[1], update)
    assert ledger.participation(run.id) == {
        COHORT[0]: Participation(invited=2, accepted=2),
        COHORT[1]: Participation(invited=2, accepted=1),
    }


def test_a_client_that_is_carried_over_is_not_invited_again(ledger: RunLedger, run: Run) -> None:
    run = ledger.save(run, "round_opened", opened=open_round(PLAN, run.id, 1, COHORT[:2], SHA, T0))
    second = open_round(PLAN, run.id, 2, COHORT[1:3], SHA, T0, carried={COHORT[1]: 1})
    ledger.save(run, "round_opened", opened=second)
    assert {client: of.invited for client, of in ledger.participation(run.id).items()} == dict.fromkeys(COHORT[:3], 1)


def test_participation_is_restored(ledger: RunLedger) -> None:
    run, _ = restored(ledger)
    participation = ledger.participation(run.id)
    assert {client: of.invited for client, of in participation.items()} == dict.fromkeys(COHORT, 1)
    assert {client for client, of in participation.items() if of.accepted} == {COHORT[0], COHORT[5]}


def test_two_restorations_at_once_count_participation_once(ledger: RunLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator's command gives up waiting and asks again, while the first restoration still stores rounds."""
    run = created_run()
    rounds = [ended_round(number, (0, 5), (3,)) for number in (1, 2)]
    rounds = [replace(ended, record=ended.record.model_copy(update={"run_id": run.id})) for ended in rounds]
    execute = Pipeline.execute
    trips: list[None] = []

    def with_another_one_in_between(pipeline: Pipeline, raise_on_error: bool = True) -> list[Any]:
        answers = execute(pipeline, raise_on_error)
        trips.append(None)
        if len(trips) == 2:
            ledger.restore(run, rounds)
        return answers

    monkeypatch.setattr(Pipeline, "execute", with_another_one_in_between)
    ledger.restore(run, rounds)
    assert ledger.load(run.id) == run
    assert [event.name for event in ledger.events(run.id)] == ["run_restored"]
    assert ledger.participation(run.id) == {
        client: Participation(invited=2, accepted=2 * (client in (COHORT[0], COHORT[5]))) for client in COHORT
    }


def test_a_deleted_run_leaves_nothing(ledger: RunLedger, run: Run) -> None:
    another, _ = restored(ledger)
    run = ledger.save(run, "round_opened", opened=open_round(PLAN, run.id, 0, COHORT, SHA, T0))
    for _ in range(2):
        ledger.delete(run.id)
    with pytest.raises(NotFoundError):
        ledger.load(run.id)
    with pytest.raises(NotFoundError):
        ledger.tally(run.id, 0)
    assert ledger.runs() == [another]
    assert not ledger.was_deleted(another.id)


def test_a_run_that_is_being_deleted_is_active_though_it_had_ended(ledger: RunLedger, run: Run) -> None:
    cancelled = ledger.save(run.cancelled(T0), "run_cancelled")
    assert ledger.active_runs() == []
    deleting = ledger.save(cancelled.deleting(), "run_deleting")
    assert ledger.active_runs() == [deleting]


def test_an_event_has_the_details_that_were_given(ledger: RunLedger, run: Run) -> None:
    ledger.save(run, "round_closed", detail={"because": "operator", "accepted": 3})
    assert ledger.events(run.id)[-1].data == {"phase": "created", "because": "operator", "accepted": 3}


def test_a_run_that_is_deleted_just_when_it_was_found_ended_is_active(
    ledger: RunLedger, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep finds the run ended. It removes the run from the index just when an operator starts its deletion."""
    cancelled = ledger.save(run.cancelled(T0), "run_cancelled")
    if isinstance(ledger, RedisLedger):
        execute = Pipeline.execute
        deleting = [cancelled.deleting()]

        def read_then_delete(pipeline: Pipeline, raise_on_error: bool = True) -> list[Any]:
            answers = execute(pipeline, raise_on_error)
            if deleting and '"cancelled"' in str(answers):
                ledger.save(deleting.pop(), "run_deleting")
            return answers

        monkeypatch.setattr(Pipeline, "execute", read_then_delete)
        ledger.active_runs()
        assert not deleting
    else:
        ledger.save(cancelled.deleting(), "run_deleting")
        ledger.active_runs()
    assert [active.phase for active in ledger.active_runs()] == [RunPhase.DELETING]
