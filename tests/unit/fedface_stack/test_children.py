"""Child processes end with their owner, also if the owner is interrupted while it waits for them."""

from __future__ import annotations

import os
import time
from contextlib import closing
from pathlib import Path

import pytest

from fedface_stack.children import Children
from support.process_groups import have_ended


def test_a_second_interrupt_kills_what_takes_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Children()) as children:
        stubborn = children.start(["sh", "-c", "trap '' TERM; echo deaf; sleep 600 & wait"], os.environ, tmp_path / "log")
        while not (tmp_path / "log").read_text():
            time.sleep(0.01)

        def interrupted(_timeout: float) -> None:
            monkeypatch.undo()
            raise KeyboardInterrupt

        monkeypatch.setattr(stubborn, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            children.stop([stubborn], grace_seconds=60.0)
        assert have_ended(stubborn.pid)


def test_a_restarted_child_appends_to_its_log_and_may_be_killed_twice(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with closing(Children()) as children:
        for _ in range(2):
            child = children.start(["echo", "started"], {"PATH": os.environ["PATH"]}, log)
            child.wait()
            children.kill(child)
            children.kill(child)
    assert log.read_text() == "started\nstarted\n"


def test_children_that_were_not_stopped_end_when_the_reaper_is_let_go(tmp_path: Path) -> None:
    with closing(Children()) as children:
        left = children.start(["sleep", "600"], os.environ, tmp_path / "log")
    left.wait(30)
    assert have_ended(left.pid)
