"""Delivery of events to one receiver: at least once, in order, with bounded retries, and what is dropped is counted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from fedface_control.webhooks.delivery import EVENTS_PER_LOOK, Delivery, Pace
from fedface_control.webhooks.message import Message
from fedface_control.webhooks.receiver import Receiver, RefusedMessageError
from fedface_core.adapters.memory import ManualClock, MemoryLedger
from fedface_core.domain.errors import UnavailableError
from fedface_core.domain.ids import new_run_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import Run
from support.metrics import counter


class Scripted(Receiver):
    """A receiver that answers as its ``answer`` says, and keeps what it has taken."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1/", "whsec_" + "A" * 40)
        self.tried: list[str] = []
        self.taken: list[str] = []
        self.answer: Callable[[Message], Exception | None] = lambda _message: None

    def send(self, message: Message) -> None:
        self.tried.append(message.id)
        error = self.answer(message)
        if error is not None:
            raise error
        self.taken.append(message.id)


class Setting:
    """A ledger with a run of some events, a receiver, and a clock that a test moves."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.ledger = MemoryLedger(self.clock)
        self.receiver = Scripted()
        self.seconds = 0.0
        self.delivery = self.anew()
        self.delivery.look()

    def anew(self, ledger: MemoryLedger | None = None) -> Delivery:
        """A process that starts: nothing but the ledger is left of an earlier one."""
        pace = Pace(attempts=3, first_pause=1.0, longest_pause=4.0)
        return Delivery(ledger or self.ledger, self.clock, self.receiver, pace, lambda: self.seconds)

    def run(self, *events: str) -> str:
        run = Run(id=new_run_id(), plan=Plan.model_validate({}), correlation_id="a", created_at=datetime.now(UTC))
        self.ledger.create(run)
        for event in events:
            self.ledger.record_event(run.id, event, {})
        return run.id


@pytest.fixture
def setting() -> Setting:
    return Setting()


def outcomes() -> dict[str, float]:
    return {outcome: counter("webhooks", outcome=outcome) for outcome in ("delivered", "failed", "dropped")}


def since(before: dict[str, float]) -> tuple[float, float, float]:
    delivered, failed, dropped = (value - before[outcome] for outcome, value in outcomes().items())
    return delivered, failed, dropped


def test_events_are_told_once_in_order_and_others_not_at_all(setting: Setting) -> None:
    before = outcomes()
    run_id = setting.run("round_opened", "waiting", "round_closed")
    for _ in range(3):
        setting.delivery.look()
    assert setting.receiver.taken == [f"{run_id}_{number}-0" for number in (1, 2, 4)]
    assert since(before) == (3, 0, 0)


def test_a_receiver_that_fails_for_a_while_misses_nothing(setting: Setting) -> None:
    before = outcomes()
    run_id = setting.run("round_opened")
    setting.receiver.answer = lambda _: RefusedMessageError("answers 500", gone=False)
    for _ in range(2):
        setting.delivery.look()
    assert setting.receiver.tried == [f"{run_id}_1-0"], "it pauses before the next attempt"
    setting.seconds += 1.0
    setting.delivery.look()
    assert len(setting.receiver.tried) == 2
    setting.receiver.answer = lambda _: None
    setting.seconds += 2.0
    setting.delivery.look()
    assert setting.receiver.taken == [f"{run_id}_1-0", f"{run_id}_2-0"]
    assert since(before) == (2, 2, 0)


def test_after_the_last_attempt_a_message_is_dropped_and_the_next_one_comes(setting: Setting) -> None:
    before = outcomes()
    run_id = setting.run("round_opened")
    first = f"{run_id}_1-0"
    setting.receiver.answer = lambda message: RefusedMessageError("no", gone=False) if message.id == first else None
    for _ in range(5):
        setting.delivery.look()
        setting.seconds += 5.0
    assert setting.receiver.tried == [first] * 3 + [f"{run_id}_2-0"]
    assert since(before) == (1, 3, 1)


def test_a_run_whose_message_is_refused_keeps_no_other_run_waiting(setting: Setting) -> None:
    refused = setting.run()
    other = setting.run()
    setting.receiver.answer = lambda message: RefusedMessageError("no", gone=False) if refused in message.id else None
    setting.delivery.look()
    assert setting.receiver.taken == [f"{other}_1-0"]


def test_a_receiver_that_is_away_is_asked_once_for_all_runs(setting: Setting) -> None:
    for _ in range(3):
        setting.run()
    setting.receiver.answer = lambda _: UnavailableError("away")
    setting.delivery.look()
    setting.delivery.look()
    assert len(setting.receiver.tried) == 1


def test_one_that_wants_no_more_is_not_asked_again(setting: Setting) -> None:
    before = outcomes()
    setting.run()
    setting.receiver.answer = lambda _: RefusedMessageError("answers 410", gone=True)
    setting.delivery.look()
    assert since(before) == (0, 1, 1)


def test_an_event_that_is_too_old_is_dropped_unsent(setting: Setting) -> None:
    before = outcomes()
    setting.run()
    setting.clock.advance(timedelta(days=2).total_seconds())
    setting.delivery.look()
    assert setting.receiver.tried == []
    assert since(before) == (0, 0, 1)


class DyingLedger(MemoryLedger):
    """Of a process that is killed after it has sent a message, and before it has recorded that."""

    def mark_delivered(self, receiver: str, run_id: str, event_id: str) -> None:
        raise SystemExit


def test_a_process_that_is_killed_after_it_has_sent_sends_again_by_the_same_id(setting: Setting) -> None:
    run_id = setting.run()
    dying = DyingLedger(setting.clock)
    vars(dying).update(vars(setting.ledger))
    with pytest.raises(SystemExit):
        setting.anew(dying).look()
    setting.anew().look()
    assert setting.receiver.taken == [f"{run_id}_1-0"] * 2


def test_the_last_event_of_a_run_is_told_though_it_has_ended_meanwhile(setting: Setting) -> None:
    run_id = setting.run()
    setting.delivery.look()
    run = setting.ledger.load(run_id)
    setting.ledger.save(run.cancelled(setting.clock.now()), "run_cancelled")
    setting.delivery.look()
    assert setting.receiver.taken == [f"{run_id}_1-0", f"{run_id}_2-0"]


def test_a_run_that_has_ended_is_followed_until_all_its_many_events_are_told(setting: Setting) -> None:
    """The rest was found only by the look at all runs, ten minutes later."""
    run_id = setting.run(*["round_opened"] * (2 * EVENTS_PER_LOOK))
    setting.delivery.look()
    setting.ledger.save(setting.ledger.load(run_id).cancelled(setting.clock.now()), "run_cancelled")
    for _ in range(3):
        setting.delivery.look()
    assert len(setting.receiver.taken) == 2 * EVENTS_PER_LOOK + 2


def test_runs_behind_a_receiver_that_was_away_are_told_though_they_have_ended(setting: Setting) -> None:
    runs = [setting.run() for _ in range(3)]
    setting.receiver.answer = lambda _: UnavailableError("away")
    setting.delivery.look()
    for run_id in runs:
        setting.ledger.save(setting.ledger.load(run_id).cancelled(setting.clock.now()), "run_cancelled")
    setting.seconds += 1.0
    setting.delivery.look()
    setting.receiver.answer = lambda _: None
    setting.seconds += 4.0
    for _ in range(2):
        setting.delivery.look()
    assert setting.receiver.taken == [f"{run_id}_{number}-0" for run_id in sorted(runs) for number in (1, 2)]


def test_a_deleted_run_is_passed_over(setting: Setting) -> None:
    run_id = setting.run()
    other = setting.run()
    setting.receiver.answer = lambda _: setting.ledger.delete(run_id)
    setting.delivery.look()
    setting.delivery.look()
    assert f"{other}_1-0" in setting.receiver.taken
