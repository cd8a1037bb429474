"""What every `RunLedger` promises of a masked round: which deposits it takes, and of whom, in each phase."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from fedface_core.adapters.memory import ManualClock
from fedface_core.domain.deposit import Deposit
from fedface_core.domain.errors import NotFoundError
from fedface_core.domain.ids import client_id, new_run_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import Round, RoundPhase, open_round
from fedface_core.domain.round_phase import BEFORE_OPEN, DEPOSITS, PHASE_OF_DEPOSIT, WAITS_FOR_CLIENTS
from fedface_core.domain.run import Run
from fedface_core.domain.update import AcceptedUpdate, RefusalReason
from fedface_core.ports import RunLedger

T0 = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = T0 + timedelta(seconds=1)
# Two shards: clients 0 to 15, and 16 to 31.
PLAN = Plan.model_validate(
    {
        "strategy": "gaussian-negatives",
        "model": {"centring": False},
        "data": {"dataset": "synthetic"},
        "split": {"clients": 32, "test": 2},
        "cohort": {"shard_size": 16, "deadline_seconds": 60},
        "secure_aggregation": {"sharing_deadline_seconds": 20},
    }
)
COHORT = tuple(client_id(index) for index in range(32))
STRANGER = client_id(32)
ACCEPTED = COHORT[0]
UNSETTLED = COHORT[1]
FAILED = COHORT[2]
SHA = "1" * 64
UPDATE = AcceptedUpdate(sha256="2" * 64, size=10, images=1)


class MaskedRound:
    """Round 1 of a run with masks, in a ledger."""

    def __init__(self, ledger: RunLedger, clock: ManualClock) -> None:
        self.ledger = ledger
        self.clock = clock
        self.record: Round = open_round(PLAN, new_run_id(), 1, COHORT, "0" * 64, T0)
        run = Run(id=self.record.run_id, plan=PLAN, correlation_id="abc", created_at=T0)
        ledger.create(run)
        self.run = ledger.save(run, "round_opened", opened=self.record)

    def come_to(self, phase: RoundPhase, **changes: Any) -> None:
        """The round in this phase, whose deadline is in a minute."""
        changed = {"phase": phase, "deadline_at": T0 + timedelta(seconds=60), **changes}
        self.record = self.record.model_copy(update=changed)
        self.run = self.ledger.save(self.run, "phase", changed=self.record)

    def settle_some(self) -> None:
        """One client's update is accepted, and another client fails."""
        self.come_to(RoundPhase.OPEN)
        self.clock.set_to(LATER)
        self.ledger.accept(self.run.id, 1, ACCEPTED, UPDATE)
        self.ledger.fail(self.run.id, 1, FAILED, "no images")

    def deposit(self, kind: Deposit, client: str, sha256: str = SHA, now: datetime = LATER) -> RefusalReason | None:
        self.clock.set_to(now)
        return self.ledger.record_deposit(self.run.id, 1, kind, client, sha256).refused


@pytest.fixture
def masked(ledger: RunLedger, ledger_clock: ManualClock) -> MaskedRound:
    return MaskedRound(ledger, ledger_clock)


@pytest.mark.parametrize(("kind", "phase"), [*product(Deposit, RoundPhase)])
def test_each_phase_takes_its_own_deposits_of_those_it_waits_for(
    masked: MaskedRound, kind: Deposit, phase: RoundPhase
) -> None:
    masked.settle_some()
    masked.come_to(phase)
    taken = kind in DEPOSITS.get(phase, ())
    giver = ACCEPTED if phase is RoundPhase.UNMASKING else UNSETTLED
    others = UNSETTLED if phase is RoundPhase.UNMASKING else ACCEPTED
    assert masked.deposit(kind, giver) is (None if taken else RefusalReason.LATE)
    assert masked.deposit(kind, others) is RefusalReason.LATE
    assert masked.deposit(kind, FAILED) is RefusalReason.LATE
    assert masked.deposit(kind, STRANGER) is RefusalReason.NOT_INVITED
    assert masked.ledger.deposits(masked.run.id, 1, kind) == ({giver: SHA} if taken else {})


@pytest.mark.parametrize("kind", Deposit)
def test_a_suspended_round_takes_the_deposits_of_the_phase_that_it_was_in_without_a_deadline(
    masked: MaskedRound, kind: Deposit
) -> None:
    masked.settle_some()
    giver = ACCEPTED if PHASE_OF_DEPOSIT[kind] is RoundPhase.UNMASKING else UNSETTLED
    masked.come_to(RoundPhase.SUSPENDED, suspended_from=None)
    assert masked.deposit(kind, giver) is RefusalReason.LATE
    masked.come_to(RoundPhase.SUSPENDED, suspended_from=PHASE_OF_DEPOSIT[kind])
    assert masked.deposit(kind, giver, now=T0 + timedelta(days=1)) is None
    masked.come_to(RoundPhase.OPEN, suspended_from=None)
    masked.come_to(RoundPhase.SUSPENDED)
    assert masked.deposit(kind, COHORT[3], now=T0 + timedelta(days=1)) is RefusalReason.LATE


def test_a_deposit_is_taken_before_the_deadline_and_not_at_it(masked: MaskedRound) -> None:
    deadline = masked.record.deadline_at
    assert deadline == T0 + timedelta(seconds=20)
    assert masked.deposit(Deposit.KEY_BUNDLE, COHORT[0], now=deadline - timedelta(microseconds=1)) is None
    assert masked.deposit(Deposit.KEY_BUNDLE, COHORT[1], now=deadline) is RefusalReason.LATE


def test_the_first_deposit_counts_and_every_receipt_says_how_many_of_the_shard_there_are(masked: MaskedRound) -> None:
    place = (masked.run.id, 1, Deposit.KEY_BUNDLE)
    masked.clock.set_to(LATER)
    record = masked.ledger.record_deposit
    assert [record(*place, client, SHA).deposited for client in (COHORT[0], COHORT[20], COHORT[1])] == [1, 1, 2]
    again = record(*place, COHORT[0], "9" * 64)
    assert (again.refused, again.shard, again.deposited) == (RefusalReason.DUPLICATE, 0, 2)
    stranger = record(*place, STRANGER, SHA)
    assert (stranger.refused, stranger.shard, stranger.deposited) == (RefusalReason.NOT_INVITED, None, 0)
    assert list(masked.ledger.deposits(*place)) == [COHORT[0], COHORT[1], COHORT[20]]
    assert masked.ledger.deposits(*place, [COHORT[20], COHORT[0], COHORT[3]]) == {COHORT[0]: SHA, COHORT[20]: SHA}
    assert masked.ledger.deposits(*place, []) == masked.ledger.deposits(masked.run.id, 1, Deposit.SIGNATURE) == {}


def test_the_tally_of_a_masked_round_names_depositors_and_accepted_clients(masked: MaskedRound) -> None:
    assert masked.ledger.tally(masked.run.id, 1).deposited == {}
    masked.deposit(Deposit.KEY_BUNDLE, COHORT[3])
    assert masked.ledger.tally(masked.run.id, 1).last_activity == LATER
    masked.settle_some()
    masked.come_to(RoundPhase.UNMASKING)
    masked.deposit(Deposit.REVELATION, ACCEPTED)
    tally = masked.ledger.tally(masked.run.id, 1)
    made = {kind: clients for kind, clients in tally.deposited.items() if clients}
    assert made == {Deposit.KEY_BUNDLE: {COHORT[3]}, Deposit.REVELATION: {ACCEPTED}}
    assert tally.accepted_clients == {ACCEPTED}


@pytest.mark.parametrize("phase", RoundPhase)
def test_updates_are_taken_of_an_open_round_and_failures_before_that_too(masked: MaskedRound, phase: RoundPhase) -> None:
    past_the_deadline = T0 + timedelta(days=1)
    masked.come_to(phase, suspended_from=RoundPhase.SHARING if phase is RoundPhase.SUSPENDED else None)
    masked.clock.set_to(past_the_deadline)
    assert masked.ledger.accept(masked.run.id, 1, COHORT[0], UPDATE).refused is RefusalReason.LATE
    failed = masked.ledger.fail(masked.run.id, 1, COHORT[0], "its key bundle is wrong")
    assert (failed.refused is None) is (phase in BEFORE_OPEN | {RoundPhase.SUSPENDED})


@pytest.mark.parametrize("phase", RoundPhase)
def test_attempts_are_counted_anew_in_each_phase_that_waits_for_clients(masked: MaskedRound, phase: RoundPhase) -> None:
    begin = masked.ledger.begin_attempt
    place = (masked.run.id, 1)
    assert [begin(*place, UNSETTLED), begin(*place, UNSETTLED)] == [1, 2]
    masked.settle_some()
    assert begin(*place, UNSETTLED) == 1
    if phase is not RoundPhase.OPEN:
        masked.come_to(phase)
    unmasks = phase is RoundPhase.UNMASKING
    counts = 0 if phase not in WAITS_FOR_CLIENTS or unmasks else 2 if phase is RoundPhase.OPEN else 1
    assert begin(*place, UNSETTLED) == counts
    assert begin(*place, ACCEPTED) == int(unmasks)
    assert begin(*place, FAILED) == 0


def test_of_deposits_at_one_moment_one_counts(masked: MaskedRound) -> None:
    masked.clock.set_to(LATER)
    digests = [f"{index:064x}" for index in range(8)]
    with ThreadPoolExecutor(8) as pool:
        place = (masked.run.id, 1, Deposit.KEY_BUNDLE, COHORT[0])
        receipts = list(pool.map(lambda sha256: masked.ledger.record_deposit(*place, sha256), digests))
    (first,) = (sha256 for sha256, receipt in zip(digests, receipts, strict=True) if receipt.refused is None)
    assert masked.ledger.deposits(masked.run.id, 1, Deposit.KEY_BUNDLE) == {COHORT[0]: first}


def test_a_deposit_of_a_round_that_was_never_opened_is_an_error(ledger: RunLedger) -> None:
    with pytest.raises(NotFoundError, match="there is no run run-0123456789ab"):
        ledger.record_deposit("run-0123456789ab", 1, Deposit.SIGNATURE, COHORT[0], SHA)
    with pytest.raises(NotFoundError, match="there is no run run-0123456789ab"):
        ledger.deposits("run-0123456789ab", 1, Deposit.SIGNATURE)
