"""What every `RunLedger` promises of the clients of a round: each settles once, accepted or failed, in one atomic step."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from fedface_core.adapters.memory import ManualClock
from fedface_core.domain.errors import NotFoundError
from fedface_core.domain.ids import client_id, new_run_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import Round, RoundPhase, RoundState, open_round
from fedface_core.domain.run import Run
from fedface_core.domain.update import AcceptedUpdate, Receipt, RefusalReason
from fedface_core.ports import RunLedger

T0 = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
SHA = "0" * 64
# Shards: clients 0–2, 3–5, and 6 alone. Quorum 5.
PLAN = Plan.model_validate({"split": {"clients": 7}, "cohort": {"shard_size": 3, "quorum": 5, "deadline_seconds": 60}})
COHORT = tuple(client_id(index) for index in range(7))
STRANGER = client_id(7)
LATER = T0 + timedelta(seconds=1)
UNKNOWN_ROUND = 2


def update(images: int = 3) -> AcceptedUpdate:
    return AcceptedUpdate(sha256=f"{images:064x}", size=1000, images=images, loss_before=0.25, loss_after=0.125)


class OpenRound:
    """Round 1 of a run, open, in a ledger."""

    def __init__(self, ledger: RunLedger, clock: ManualClock, plan: Plan = PLAN, cohort: tuple[str, ...] = COHORT) -> None:
        self.ledger = ledger
        self.clock = clock
        self.record: Round = open_round(plan, new_run_id(), 1, cohort, SHA, T0)
        run = Run(id=self.record.run_id, plan=plan, correlation_id="abc", created_at=T0)
        ledger.create(run)
        self.run = ledger.save(run, "round_opened", opened=self.record)

    def accept(self, client: str, now: datetime = LATER, images: int = 3) -> Receipt:
        self.clock.set_to(now)
        return self.ledger.accept(self.run.id, 1, client, update(images))

    def fail(self, client: str, now: datetime = LATER) -> Receipt:
        self.clock.set_to(now)
        return self.ledger.fail(self.run.id, 1, client, "no images")

    def begin(self, client: str, now: datetime = LATER) -> int:
        self.clock.set_to(now)
        return self.ledger.begin_attempt(self.run.id, 1, client)

    def close(self) -> None:
        closed = self.record.model_copy(update={"phase": RoundPhase.AGGREGATING, "closed_at": LATER})
        self.run = self.ledger.save(self.run, "round_closed", changed=closed)

    def partial(self, shard: int) -> bool:
        self.clock.set_to(LATER)
        return self.ledger.record_partial(self.run.id, 1, shard)


@pytest.fixture
def opened(ledger: RunLedger, ledger_clock: ManualClock) -> OpenRound:
    return OpenRound(ledger, ledger_clock)


def test_opening_makes_the_whole_cohort_unsettled(opened: OpenRound) -> None:
    tally = opened.ledger.tally(opened.run.id, 1)
    assert tally.unsettled == frozenset(COHORT)
    assert (tally.accepted, tally.failed) == (0, 0)
    assert tally.accepted_shards == tally.folded_shards == frozenset()
    assert tally.last_activity == T0
    assert opened.ledger.accepted(opened.run.id, 1) == {}
    assert opened.ledger.failed(opened.run.id, 1) == {}


def test_a_summary_counts_the_clients_without_naming_them(opened: OpenRound) -> None:
    ledger = opened.ledger
    place = (opened.run.id, 1)
    opened.accept(COHORT[1])
    opened.accept(COHORT[0])
    opened.fail(COHORT[3])
    summary = ledger.round_summary(*place)
    assert (summary.invited, summary.accepted, summary.failed, summary.unsettled) == (len(COHORT), 2, 1, len(COHORT) - 3)
    assert summary.round == RoundState.model_validate(opened.record.model_dump(exclude={"cohort"}))
    assert ledger.round_summaries(opened.run.id) == [summary]
    assert ledger.load_round(*place) == opened.record
    assert ledger.stragglers(*place, 2) == [COHORT[2], COHORT[4]]
    assert ledger.accepted_clients(*place) == [COHORT[0], COHORT[1]]
    opened.close()
    assert ledger.round_summary(*place).round.phase is RoundPhase.AGGREGATING
    assert ledger.load_round(*place).cohort == COHORT


USES_OF_A_ROUND: list[Callable[[RunLedger, str, int], object]] = [
    lambda ledger, run, number: ledger.round_summary(run, number),
    lambda ledger, run, number: ledger.stragglers(run, number, 1),
    lambda ledger, run, number: ledger.accepted_clients(run, number),
    lambda ledger, run, number: ledger.accepted(run, number, []),
    lambda ledger, run, number: ledger.tally(run, number),
    lambda ledger, run, number: ledger.begin_attempt(run, number, COHORT[0]),
    lambda ledger, run, number: ledger.begin_attempts(run, number, COHORT[:2]),
    lambda ledger, run, number: ledger.take_back_attempt(run, number, COHORT[0]),
    lambda ledger, run, number: ledger.record_failure(run, number, "control.sweep", "KeyError"),
    lambda ledger, run, number: ledger.accept(run, number, COHORT[0], update()),
    lambda ledger, run, number: ledger.accept_all(run, number, {COHORT[0]: update()}),
    lambda ledger, run, number: ledger.fail(run, number, COHORT[0], "no images"),
    lambda ledger, run, number: ledger.accepted(run, number),
    lambda ledger, run, number: ledger.accepted(run, number, []),
    lambda ledger, run, number: ledger.accepted(run, number, [COHORT[0]]),
    lambda ledger, run, number: ledger.failed(run, number),
    lambda ledger, run, number: ledger.record_partial(run, number, 0),
    lambda ledger, run, number: ledger.record_late(run, number, COHORT[0]),
    lambda ledger, run, number: ledger.touch(run, number),
]


@pytest.mark.parametrize("use", USES_OF_A_ROUND)
def test_a_round_that_was_never_opened_is_named(opened: OpenRound, use: Callable[[RunLedger, str, int], object]) -> None:
    with pytest.raises(NotFoundError, match=f"{opened.run.id} has no round 2"):
        use(opened.ledger, opened.run.id, UNKNOWN_ROUND)
    with pytest.raises(NotFoundError, match="there is no run run-00000000dead"):
        use(opened.ledger, "run-00000000dead", 1)
    assert [record.number for record in opened.ledger.rounds(opened.run.id)] == [1]


def test_an_update_is_accepted_once(opened: OpenRound) -> None:
    assert opened.accept(COHORT[4]) == Receipt(shard=1)
    tally = opened.ledger.tally(opened.run.id, 1)
    assert (tally.accepted, tally.failed) == (1, 0)
    assert tally.unsettled == frozenset(COHORT) - {COHORT[4]}
    assert tally.accepted_shards == {1}
    assert tally.last_activity == LATER
    assert opened.ledger.accepted(opened.run.id, 1) == {COHORT[4]: update()}


def test_the_updates_of_a_shards_clients_are_accepted_in_one_step(opened: OpenRound) -> None:
    opened.ledger.record_late(opened.run.id, 1, COHORT[1])
    updates = {client: update(images) for images, client in enumerate(COHORT[:3], start=1)}
    opened.clock.set_to(LATER)
    assert opened.ledger.accept_all(opened.run.id, 1, updates) == Receipt(shard=0, shard_settled=True)
    tally = opened.ledger.tally(opened.run.id, 1)
    assert (tally.accepted, tally.unsettled, tally.last_activity) == (3, frozenset(COHORT[3:]), LATER)
    assert tally.accepted_shards == {0}
    assert opened.ledger.accepted(opened.run.id, 1) == updates
    assert opened.ledger.round_summary(opened.run.id, 1).late == 0
    assert opened.ledger.participation(opened.run.id)[COHORT[1]].accepted == 1
    receipt = opened.ledger.accept_all(opened.run.id, 1, dict.fromkeys(COHORT[3:5], update()))
    assert (receipt.shard_settled, receipt.round_ready) == (False, True), "the quorum is reached"


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda opened: opened.accept(COHORT[1]), RefusalReason.DUPLICATE),
        (lambda opened: opened.fail(COHORT[1]), RefusalReason.LATE),
        (lambda opened: opened.clock.set_to(T0 + timedelta(seconds=60)), RefusalReason.LATE),
        (OpenRound.close, RefusalReason.LATE),
    ],
    ids=["duplicate", "failed", "deadline", "closed"],
)
def test_of_several_updates_all_are_accepted_or_none(
    opened: OpenRound, spoil: Callable[[OpenRound], object], reason: RefusalReason
) -> None:
    opened.clock.set_to(LATER)
    spoil(opened)
    before = (opened.ledger.tally(opened.run.id, 1), opened.ledger.accepted(opened.run.id, 1))
    receipt = opened.ledger.accept_all(opened.run.id, 1, dict.fromkeys(COHORT[:3], update(9)))
    assert receipt == Receipt(refused=reason, shard=0)
    assert (opened.ledger.tally(opened.run.id, 1), opened.ledger.accepted(opened.run.id, 1)) == before


def test_a_stranger_among_several_clients_keeps_all_out(opened: OpenRound) -> None:
    receipt = opened.ledger.accept_all(opened.run.id, 1, dict.fromkeys((COHORT[6], STRANGER), update()))
    assert receipt == Receipt(refused=RefusalReason.NOT_INVITED)
    assert opened.ledger.accepted(opened.run.id, 1) == {}


def test_a_duplicate_changes_nothing(opened: OpenRound) -> None:
    opened.accept(COHORT[0], images=3)
    before = opened.ledger.tally(opened.run.id, 1)
    receipt = opened.accept(COHORT[0], now=LATER + timedelta(seconds=1), images=9)
    assert receipt == Receipt(refused=RefusalReason.DUPLICATE, shard=0)
    assert opened.ledger.tally(opened.run.id, 1) == before
    assert opened.ledger.accepted(opened.run.id, 1)[COHORT[0]].images == 3


def test_a_duplicate_says_again_that_shard_and_round_are_done(opened: OpenRound) -> None:
    for client in COHORT[:5]:
        opened.accept(client)
    opened.fail(COHORT[5])
    for client in (COHORT[0], COHORT[4]):
        receipt = opened.accept(client)
        assert receipt.refused is RefusalReason.DUPLICATE
        assert (receipt.shard_settled, receipt.round_ready) == (True, True)


def test_a_duplicate_stays_one_after_the_deadline_and_the_close(opened: OpenRound) -> None:
    opened.accept(COHORT[0])
    opened.close()
    assert opened.accept(COHORT[0], now=T0 + timedelta(hours=1)).refused is RefusalReason.DUPLICATE


@pytest.mark.parametrize("settle", [OpenRound.accept, OpenRound.fail])
def test_strangers_are_refused(opened: OpenRound, settle: Callable[[OpenRound, str], Receipt]) -> None:
    assert settle(opened, STRANGER) == Receipt(refused=RefusalReason.NOT_INVITED)
    tally = opened.ledger.tally(opened.run.id, 1)
    assert (tally.accepted, tally.failed, tally.last_activity) == (0, 0, T0)


@pytest.mark.parametrize("settle", [OpenRound.accept, OpenRound.fail])
def test_a_closed_round_takes_nothing(opened: OpenRound, settle: Callable[[OpenRound, str], Receipt]) -> None:
    opened.close()
    assert settle(opened, COHORT[0]).refused is RefusalReason.LATE
    assert opened.ledger.tally(opened.run.id, 1).unsettled == frozenset(COHORT)


@pytest.mark.parametrize("settle", [OpenRound.accept, OpenRound.fail])
def test_the_deadline_is_the_first_moment_that_is_late(
    opened: OpenRound, settle: Callable[[OpenRound, str, datetime], Receipt]
) -> None:
    deadline = opened.record.deadline_at
    assert settle(opened, COHORT[0], deadline).refused is RefusalReason.LATE
    assert settle(opened, COHORT[0], deadline - timedelta(microseconds=1)).refused is None


def test_a_failed_client_is_settled(opened: OpenRound) -> None:
    assert opened.fail(COHORT[6]) == Receipt(shard=2, shard_settled=True)
    assert opened.accept(COHORT[6]) == Receipt(refused=RefusalReason.LATE, shard=2, shard_settled=True)
    assert opened.fail(COHORT[6]) == Receipt(refused=RefusalReason.LATE, shard=2, shard_settled=True)
    tally = opened.ledger.tally(opened.run.id, 1)
    assert (tally.accepted, tally.failed) == (0, 1)
    assert tally.accepted_shards == frozenset()
    assert tally.last_activity == LATER
    assert opened.ledger.failed(opened.run.id, 1) == {COHORT[6]: "no images"}


def test_an_accepted_client_can_not_fail(opened: OpenRound) -> None:
    opened.accept(COHORT[0])
    assert opened.fail(COHORT[0]).refused is RefusalReason.DUPLICATE
    assert opened.ledger.failed(opened.run.id, 1) == {}


def test_a_shard_is_settled_by_its_last_client(opened: OpenRound) -> None:
    assert not opened.accept(COHORT[0]).shard_settled
    assert not opened.accept(COHORT[3]).shard_settled
    assert not opened.fail(COHORT[1]).shard_settled
    assert opened.accept(COHORT[2]).shard_settled
    assert not opened.accept(COHORT[4]).shard_settled


def test_the_quorum_makes_the_round_ready(opened: OpenRound) -> None:
    assert [opened.accept(client).round_ready for client in COHORT] == [False] * 4 + [True] * 3


def test_failures_do_not_count_for_the_quorum(opened: OpenRound) -> None:
    receipts = [opened.fail(client) for client in COHORT[:3]] + [opened.accept(client) for client in COHORT[3:]]
    # Four accepted are no quorum of five; but with the last client everybody has settled.
    assert [receipt.round_ready for receipt in receipts] == [False] * 6 + [True]


def test_a_round_where_everybody_failed_is_ready(opened: OpenRound) -> None:
    assert [opened.fail(client).round_ready for client in COHORT] == [False] * 6 + [True]


def test_accepted_updates_come_in_client_order(opened: OpenRound) -> None:
    for images, client in enumerate(reversed(COHORT[:5]), start=1):
        opened.accept(client, images=images)
    run = opened.run.id
    assert list(opened.ledger.accepted(run, 1)) == list(COHORT[:5])
    some = opened.ledger.accepted(run, 1, (COHORT[4], COHORT[0], COHORT[6], STRANGER, COHORT[0]))
    assert list(some.items()) == [(COHORT[0], update(5)), (COHORT[4], update(1))]
    assert opened.ledger.accepted(run, 1, ()) == {}


def test_failed_clients_come_in_client_order(opened: OpenRound) -> None:
    for client in (COHORT[5], COHORT[0], COHORT[3]):
        opened.fail(client)
    assert list(opened.ledger.failed(opened.run.id, 1)) == [COHORT[0], COHORT[3], COHORT[5]]


def test_attempts_of_several_clients_are_counted_up_to_one_that_had_an_attempt(opened: OpenRound) -> None:
    def begin(*clients: str) -> list[int]:
        return list(opened.ledger.begin_attempts(opened.run.id, 1, clients))

    assert begin(*COHORT[:2]) == [1, 1]
    assert begin(COHORT[2], COHORT[0], COHORT[3]) == [1]
    assert begin(COHORT[0], COHORT[3]) == [2]
    opened.accept(COHORT[3])
    assert begin(COHORT[3], STRANGER, COHORT[0], COHORT[4]) == [0, 0, 3]
    opened.ledger.take_back_attempt(opened.run.id, 1, COHORT[1])
    assert begin(COHORT[3], COHORT[4], COHORT[1], COHORT[5], COHORT[0]) == [0, 1, 1, 1]
    assert begin(COHORT[3]) == [0]
    opened.ledger.take_back_attempt(opened.run.id, 1, COHORT[5])
    opened.accept(COHORT[0])  # it had attempts, and may not start any more
    assert begin(COHORT[5], COHORT[0], COHORT[6]) == [1, 0, 1]


def test_attempts_are_counted_for_each_client_and_are_activity(opened: OpenRound) -> None:
    def begin(client: str, second: int) -> int:
        return opened.begin(client, T0 + timedelta(seconds=second))

    assert [begin(COHORT[0], 1), begin(COHORT[1], 2), begin(COHORT[0], 3)] == [1, 1, 2]
    tally = opened.ledger.tally(opened.run.id, 1)
    assert tally.last_activity == T0 + timedelta(seconds=3)
    assert tally.unsettled == frozenset(COHORT)


def test_no_attempt_is_counted_of_a_client_that_must_not_start(opened: OpenRound) -> None:
    def begin(client: str) -> int:
        return opened.begin(client, LATER + timedelta(seconds=9))

    opened.accept(COHORT[0])
    opened.fail(COHORT[1])
    assert [begin(client) for client in (COHORT[0], COHORT[1], STRANGER)] == [0, 0, 0]
    opened.close()
    assert begin(COHORT[2]) == 0
    assert opened.ledger.tally(opened.run.id, 1).last_activity == LATER


def test_touch_is_activity(opened: OpenRound) -> None:
    before = opened.ledger.tally(opened.run.id, 1)
    opened.clock.set_to(LATER)
    opened.ledger.touch(opened.run.id, 1)
    assert opened.ledger.tally(opened.run.id, 1) == before.model_copy(update={"last_activity": LATER})


def test_a_partial_completes_only_a_closed_round(opened: OpenRound) -> None:
    opened.accept(COHORT[0])
    opened.accept(COHORT[6])
    assert not opened.partial(0), "open, shard 2 unfolded"
    assert not opened.partial(2), "open, all folded"
    opened.close()
    assert opened.partial(2), "closed, all folded, though recorded before"
    assert opened.ledger.tally(opened.run.id, 1).folded_shards == {0, 2}


def test_a_partial_completes_only_when_no_accepted_shard_is_unfolded(opened: OpenRound) -> None:
    opened.accept(COHORT[0])
    opened.fail(COHORT[3])
    opened.accept(COHORT[6])
    opened.close()
    assert not opened.partial(0), "closed, shard 2 unfolded"
    assert opened.partial(2), "closed; shard 1 has no accepted update"
    assert opened.partial(2), "a redelivered task gets this answer again"
    assert opened.ledger.tally(opened.run.id, 1).last_activity == LATER


def test_of_many_deliveries_of_one_update_exactly_one_counts(opened: OpenRound) -> None:
    with ThreadPoolExecutor(8) as pool:
        receipts = list(pool.map(lambda images: opened.accept(COHORT[0], images=images), range(1, 33)))
    (first,) = [images for images, receipt in enumerate(receipts, start=1) if receipt.refused is None]
    assert sum(receipt.refused is RefusalReason.DUPLICATE for receipt in receipts) == 31
    assert opened.ledger.accepted(opened.run.id, 1) == {COHORT[0]: update(first)}
    assert opened.ledger.tally(opened.run.id, 1).unsettled == frozenset(COHORT[1:])


def test_many_clients_at_once_settle_every_shard_and_the_round_exactly_once(
    ledger: RunLedger, ledger_clock: ManualClock
) -> None:
    clients = tuple(client_id(index) for index in range(48))
    plan = Plan.model_validate({"split": {"clients": 48}, "cohort": {"shard_size": 5}})
    opened = OpenRound(ledger, ledger_clock, plan, clients)

    def settle(client: str) -> Receipt:
        return opened.fail(client) if client.endswith("3") else opened.accept(client)

    with ThreadPoolExecutor(8) as pool:
        receipts = list(pool.map(settle, clients))
    assert all(receipt.refused is None for receipt in receipts)
    assert sorted(receipt.shard for receipt in receipts if receipt.shard_settled and receipt.shard is not None) == list(
        range(10)
    )
    assert sum(receipt.round_ready for receipt in receipts) == 1
    tally = ledger.tally(opened.run.id, 1)
    assert (tally.accepted, tally.failed, tally.unsettled) == (43, 5, frozenset())
    assert tally.accepted_shards == frozenset(range(10))


def test_a_suspended_round_takes_updates_at_any_time_and_starts_nobody(opened: OpenRound) -> None:
    suspended = opened.record.suspended(LATER)
    opened.run = opened.ledger.save(opened.run, "run_paused", changed=suspended)
    after_the_deadline = T0 + timedelta(hours=1)
    assert opened.begin(COHORT[0]) == 0
    assert opened.accept(COHORT[0], now=after_the_deadline).refused is None
    assert opened.fail(COHORT[1], now=after_the_deadline).refused is None
    assert opened.accept(COHORT[0], now=after_the_deadline).refused is RefusalReason.DUPLICATE
    assert opened.ledger.tally(opened.run.id, 1).accepted == 1


def test_a_reopened_round_has_its_deadline_moved(opened: OpenRound) -> None:
    opened.run = opened.ledger.save(opened.run, "run_paused", changed=opened.record.suspended(LATER))
    resumed_at = LATER + timedelta(hours=1)
    reopened = opened.ledger.load_round(opened.run.id, 1).reopened(resumed_at)
    opened.ledger.save(opened.run, "run_resumed", changed=reopened)
    assert reopened.deadline_at == T0 + timedelta(hours=1, seconds=60)
    just_before = reopened.deadline_at - timedelta(microseconds=1)
    assert opened.begin(COHORT[0], resumed_at) == 1
    assert opened.accept(COHORT[0], now=just_before).refused is None
    assert opened.accept(COHORT[1], now=reopened.deadline_at).refused is RefusalReason.LATE


def test_who_comes_late_makes_no_round_ready(opened: OpenRound) -> None:
    for client in COHORT[:5]:
        opened.accept(client)
    opened.close()
    assert opened.accept(COHORT[6]) == Receipt(refused=RefusalReason.LATE, shard=2)


def test_attempts_are_counted_anew_after_a_pause(opened: OpenRound) -> None:
    ledger = opened.ledger
    assert [opened.begin(COHORT[0]) for _ in range(2)] == [1, 2]
    opened.run = ledger.save(opened.run, "evaluation_skipped", changed=opened.record)
    assert opened.begin(COHORT[0]) == 3
    suspended = opened.record.suspended(LATER)
    opened.run = ledger.save(opened.run, "run_paused", changed=suspended)
    opened.run = ledger.save(opened.run, "run_resumed", changed=suspended.reopened(LATER))
    assert opened.begin(COHORT[0]) == 1


def test_the_time_is_that_of_the_ledgers_clock(ledger: RunLedger, ledger_clock: ManualClock) -> None:
    assert ledger.now() == T0
    ledger_clock.set_to(T0 - timedelta(days=1))
    assert ledger.now() == T0 - timedelta(days=1)


def test_who_comes_late_is_counted_once(opened: OpenRound) -> None:
    place = (opened.run.id, 1)
    opened.accept(COHORT[0])
    opened.fail(COHORT[1])
    for client in (*COHORT[:3], COHORT[2], STRANGER):
        opened.ledger.record_late(*place, client)
    assert opened.ledger.tally(*place).late == opened.ledger.round_summary(*place).late == 1, "the others have settled"
    assert opened.ledger.round_summaries(opened.run.id) == [opened.ledger.round_summary(*place)]
    assert opened.ledger.tally(*place).unsettled == frozenset(COHORT[2:])


@pytest.mark.parametrize("settle", [OpenRound.accept, OpenRound.fail])
def test_who_settles_though_it_came_late_before_is_late_no_more(
    opened: OpenRound, settle: Callable[[OpenRound, str], Receipt]
) -> None:
    opened.ledger.record_late(opened.run.id, 1, COHORT[2])
    assert settle(opened, COHORT[2]).refused is None, "the deadline has moved"
    assert opened.ledger.tally(opened.run.id, 1).late == 0
