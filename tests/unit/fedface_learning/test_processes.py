"""Work by several processes: in order, a few results ahead, and no process left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fedface_core.domain.errors import InvalidInputError
from fedface_learning.processes import AHEAD, WorkerKilledError, in_order, processors, worth_starting


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    """Other tests of this process of pytest may have left one."""
    before = set(multiprocessing.active_children())
    yield
    # Asked of the system: two threads wait for each process, and the one that comes late does not learn that it has ended.
    left = [process.pid for process in set(multiprocessing.active_children()) - before]
    assert not [pid for pid in left if Path(f"/proc/{pid}").exists()]


def square(number: int) -> int:
    if number == 13:
        raise InvalidInputError("no number for 13")
    return number * number


def own_process(_item: int) -> int:
    return os.getpid()


def kill_itself(_item: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_results_come_in_the_order_of_the_items_until_the_first_error(workers: int) -> None:
    found: list[int] = []
    with pytest.raises(InvalidInputError, match="no number for 13"):
        found.extend(in_order(square, iter(range(20)), workers))
    assert found == [number * number for number in range(13)]


@pytest.mark.slow
def test_few_results_are_ahead_of_a_slow_reader_and_a_reader_may_leave() -> None:
    asked: list[int] = []

    def items() -> Iterator[int]:
        for number in range(1000):
            asked.append(number)
            yield number

    with closing(in_order(own_process, items(), 2)) as results:
        pids = [next(results) for _ in range(10)]
        assert len(asked) < 10 + 2 * AHEAD
    assert len(set(pids)) <= 2
    assert os.getpid() not in pids


@pytest.mark.slow
def test_a_process_that_is_killed_is_told_of() -> None:
    with pytest.raises(WorkerKilledError, match=r"perhaps because memory ran out; .* fewer --workers"):
        list(in_order(kill_itself, range(3), 2))


@pytest.mark.slow
def test_an_interrupt_ends_the_processes() -> None:
    """As Ctrl-C does, which interrupts the first process alone."""
    threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt):
        list(in_order(sleep_long, range(3), 2))


def sleep_long(_item: int) -> None:
    threading.Event().wait(60)


def test_few_items_are_not_worth_a_process() -> None:
    assert [worth_starting(8, items) for items in (0, 99, 199, 250, 10_000)] == [1, 1, 1, 2, 8]
    assert processors() >= 1
