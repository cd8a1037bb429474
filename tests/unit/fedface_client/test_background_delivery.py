"""Deliveries in the background: one at a time and in order. The next wait raises the error of a delivery."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import cast

import pytest
import torch
from torch import Tensor

from fedface_client.attempt import Attempt
from fedface_client.background_delivery import BackgroundDelivery, Delivery
from fedface_core.domain.update import AcceptedUpdate

UPDATE = AcceptedUpdate(sha256="0" * 64, size=1, images=1)


class RecordedAttempt:
    """An attempt that records its delivery, the order of deliveries and the thread, or fails with ``error``."""

    def __init__(self, name: str, delivered: list[str], error: Exception | None = None) -> None:
        self.name = name
        self.delivered = delivered
        self.error = error
        self.began = threading.Event()
        self.may_go_on = threading.Event()
        self.thread = ""

    def deliver(self, update: AcceptedUpdate) -> None:
        self.began.set()
        assert self.may_go_on.wait(30)
        self.thread = threading.current_thread().name
        if self.error is not None:
            raise self.error
        self.delivered.append(self.name)

    @property
    def invitation(self) -> SimpleNamespace:
        return SimpleNamespace(client_id=self.name)

    def begin(self, background: BackgroundDelivery, *others: RecordedAttempt) -> None:
        background.begin([Delivery(cast("Attempt", attempt), lambda: UPDATE) for attempt in (self, *others)])


@pytest.fixture
def delivered() -> list[str]:
    return []


def test_the_caller_goes_on_while_an_update_is_delivered(delivered: list[str]) -> None:
    attempt = RecordedAttempt("first", delivered)
    with BackgroundDelivery() as background:
        attempt.begin(background)
        assert delivered == []
        attempt.may_go_on.set()
    assert delivered == ["first"]
    assert attempt.thread != threading.current_thread().name


def test_the_next_delivery_begins_after_the_one_before_has_ended(delivered: list[str]) -> None:
    first = RecordedAttempt("first", delivered)
    second = RecordedAttempt("second", delivered)
    with BackgroundDelivery() as background:
        first.may_go_on.set()
        first.begin(background)
        second.begin(background)
        assert delivered == ["first"]
        second.may_go_on.set()
    assert delivered == ["first", "second"]


def test_what_a_delivery_raises_is_raised_by_the_next_wait_and_once(delivered: list[str]) -> None:
    attempt = RecordedAttempt("first", delivered, ArithmeticError("cannot be delivered"))
    attempt.may_go_on.set()
    with BackgroundDelivery() as background:
        attempt.begin(background)
        with pytest.raises(ArithmeticError, match="cannot be delivered"):
            background.wait()
        background.wait()


def deliver_and_end_with(attempt: RecordedAttempt, error: BaseException, *, delivery_may_go_on: bool) -> None:
    with BackgroundDelivery() as background:
        attempt.begin(background)
        if delivery_may_go_on:
            attempt.may_go_on.set()
        raise error


def test_a_caller_that_fails_waits_for_the_delivery(delivered: list[str]) -> None:
    with pytest.raises(LookupError):
        deliver_and_end_with(RecordedAttempt("first", delivered), LookupError(), delivery_may_go_on=True)
    assert delivered == ["first"]


def test_a_process_that_is_told_to_end_does_not_wait(delivered: list[str]) -> None:
    attempt = RecordedAttempt("first", delivered)
    with pytest.raises(SystemExit):
        deliver_and_end_with(attempt, SystemExit(), delivery_may_go_on=False)
    assert delivered == []
    attempt.may_go_on.set()  # the thread must be free for the next tests


def test_deliveries_of_a_group_are_carried_out_in_order(delivered: list[str]) -> None:
    group = [RecordedAttempt(name, delivered) for name in "abc"]
    for attempt in group:
        attempt.may_go_on.set()
    with BackgroundDelivery() as background:
        group[0].begin(background, *group[1:])
    assert delivered == ["a", "b", "c"]
    assert background.undelivered == []


def test_numbers_are_rounded_in_the_background_as_they_are_here(delivered: list[str]) -> None:
    """Those too small for float32's usual form are flushed to zero by a setting of each thread."""
    attempt = RecordedAttempt("first", delivered)
    attempt.may_go_on.set()
    small = torch.full((64,), 1e-39)
    found: list[Tensor] = []

    def finish() -> AcceptedUpdate:
        found.append(small * 1.5)
        return UPDATE

    with BackgroundDelivery() as background:
        background.begin([Delivery(cast("Attempt", attempt), finish)])
    assert torch.equal(found[0], small * 1.5)
    assert not found[0].any()


@pytest.mark.parametrize("in_background", [True, False])
def test_after_a_failure_it_names_those_that_were_to_follow(delivered: list[str], in_background: bool) -> None:
    group = [RecordedAttempt(name, delivered, ArithmeticError() if name == "b" else None) for name in "abcd"]
    for attempt in group:
        attempt.may_go_on.set()
    background = BackgroundDelivery()
    deliveries = [Delivery(cast("Attempt", attempt), lambda: UPDATE) for attempt in group]
    if in_background:
        background.begin(deliveries)
    with pytest.raises(ArithmeticError):
        background.wait() if in_background else background.carry_out(deliveries)
    assert (delivered, background.undelivered) == (["a"], ["c", "d"])


def test_a_process_that_is_told_to_end_begins_with_no_further_delivery(delivered: list[str]) -> None:
    first = RecordedAttempt("first", delivered)
    second = RecordedAttempt("second", delivered)
    second.may_go_on.set()

    def be_told_to_end() -> None:
        with BackgroundDelivery() as background:
            first.begin(background, second)
            assert first.began.wait(30)
            raise SystemExit

    with pytest.raises(SystemExit):
        be_told_to_end()
    first.may_go_on.set()
    with BackgroundDelivery() as after:
        second.begin(after)
    assert delivered == ["first", "second"], "the second one once"
