"""Identical records are written a few times a minute, then counted; all others are written."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from fedface_core.runtime import repeated_records
from fedface_core.runtime.repeated_records import MOST_IDENTICAL, WINDOW_SECONDS, RepeatedRecordHandler


class Logged:
    """A logger whose records are written to ``lines``, at a time that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        self.stream = io.StringIO()
        self.handler = RepeatedRecordHandler(self.stream, clock=lambda: self.now)
        self.handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
        self.logger = logging.Logger("theirs")
        self.logger.addHandler(self.handler)

    @property
    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()


@pytest.fixture
def logged() -> Iterator[Logged]:
    logged = Logged()
    yield logged
    logged.handler.close()


def test_a_record_without_end_is_written_a_few_times_and_then_counted(logged: Logged) -> None:
    for _ in range(2048):
        logged.logger.error("socket.accept() out of %s", "system resource")
    assert logged.lines == ["ERROR socket.accept() out of system resource"] * MOST_IDENTICAL
    logged.now = WINDOW_SECONDS
    logged.logger.info("something else")
    assert logged.lines[MOST_IDENTICAL:] == [
        f"ERROR socket.accept() out of system resource (repeated {2048 - MOST_IDENTICAL} times)",
        "INFO something else",
    ]


def test_after_a_minute_it_is_written_again(logged: Logged) -> None:
    for minute in range(3):
        logged.now = minute * WINDOW_SECONDS
        for _ in range(MOST_IDENTICAL + 1):
            logged.logger.error("full")
    assert logged.lines.count("ERROR full") == 3 * MOST_IDENTICAL
    assert logged.lines.count("ERROR full (repeated 1 times)") == 2


def test_what_was_left_out_is_told_at_the_end_of_the_process(logged: Logged) -> None:
    for _ in range(MOST_IDENTICAL + 5):
        logged.logger.error("full")
    logged.handler.close()
    assert logged.lines[-1] == "ERROR full (repeated 5 times)"
    logged.handler.close()
    assert len(logged.lines) == MOST_IDENTICAL + 1


def test_records_that_differ_in_text_level_or_exception_are_not_identical(logged: Logged) -> None:
    for number in range(100):
        logged.logger.error("client %d failed", number)
        logged.logger.log(number, "level")
        logged.logger.error("why", exc_info=ValueError(number))
    assert sum(line.startswith("ERROR client") for line in logged.lines) == 100
    assert sum(line.endswith("level") for line in logged.lines) == 99, "level 0 is not enabled"
    assert sum("ERROR why" in line for line in logged.lines) == 100


def test_records_of_structlog_are_compared_by_their_fields_without_the_time(logged: Logged) -> None:
    logged.handler.setFormatter(logging.Formatter("%(msg)s"))
    for second in range(MOST_IDENTICAL + 3):
        logged.logger.error({"event": "refused", "run_id": "a", "timestamp": second})
        logged.logger.error({"event": "refused", "run_id": str(second), "timestamp": second})
    logged.handler.close()
    assert sum("'run_id': 'a'" in line for line in logged.lines) == MOST_IDENTICAL + 1
    assert logged.lines[-1] == str({"event": "refused", "run_id": "a", "timestamp": MOST_IDENTICAL + 2, "repeated": 3})
    assert len(logged.lines) == MOST_IDENTICAL + 1 + MOST_IDENTICAL + 3


def test_memory_is_bounded_whatever_is_logged(logged: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeated_records, "MOST_KINDS", 4)
    for number in range(100):
        logged.logger.error("client %d failed", number)
    assert len(logged.handler._windows) <= 4  # noqa: SLF001
    assert len(logged.lines) == 100


def test_a_record_that_cannot_be_formatted_stops_nothing(logged: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    broken: list[logging.LogRecord] = []
    monkeypatch.setattr(logged.handler, "handleError", broken.append)
    logged.logger.error("two %s of %s", "one")
    logged.logger.error("fine")
    assert len(broken) == 1
    assert logged.lines == ["ERROR fine"]
