"""A process of a stack that ends by itself is started again, unless it ends again and again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedface_stack.embedded_servers import ProcessSpec
from fedface_stack.stack import LocalStack, StackError
from fedface_stack.supervision import MOST_RESTARTS, WITHIN_SECONDS, Supervision
from support.servers import wait_for


class BriefStack(LocalStack):
    """A stack of one process, which ends at once."""

    def _process_specs(self) -> tuple[list[ProcessSpec], list[ProcessSpec]]:
        return [ProcessSpec("brief", (sys.executable, "-S", "-c", "raise SystemExit(3)"), lambda: True)], []


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[LocalStack]:
    with BriefStack(tmp_path) as stack:
        yield stack


def ends_again(stack: LocalStack) -> None:
    wait_for("the end of a process", lambda: bool(stack.ended()), every=0.01)


def test_a_process_that_ends_again_and_again_is_an_error_in_the_end(stack: LocalStack) -> None:
    said: list[str] = []
    supervision = Supervision(stack, said.append, now=lambda: 0.0)
    for _ in range(MOST_RESTARTS):
        ends_again(stack)
        supervision.look()
    ends_again(stack)
    with pytest.raises(StackError, match="brief ended with status 3"):
        supervision.look()
    assert said == [f"brief ended with status 3 and is started again; its log: {stack.logs / 'brief.log'}"] * MOST_RESTARTS


def test_a_process_that_ends_now_and_then_is_always_started_again(stack: LocalStack) -> None:
    said: list[str] = []
    seconds = iter(float(each) for each in range(0, 10_000, int(WITHIN_SECONDS)))
    supervision = Supervision(stack, said.append, now=lambda: next(seconds))
    for _ in range(MOST_RESTARTS + 2):
        ends_again(stack)
        supervision.look()
    assert len(said) == MOST_RESTARTS + 2


def test_nothing_is_said_of_a_process_that_runs(stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(stack, "ended", list)
    Supervision(stack, said.append).look()
    assert said == []


def test_that_logs_cannot_be_kept_short_is_said_when_it_begins(stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    problems = iter(["the disk is full", "the disk is full", None, "the disk is full"])
    monkeypatch.setattr(stack, "ended", list)
    monkeypatch.setattr(stack, "log_problem", lambda: next(problems))
    supervision = Supervision(stack, said.append)
    for _ in range(4):
        supervision.look()
    assert said == ["the disk is full"] * 2
