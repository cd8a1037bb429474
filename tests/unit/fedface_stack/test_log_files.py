"""Logs of a stack stay short while processes write to them, and their last lines are found after a rotation too."""

from __future__ import annotations

import errno
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fedface_stack import log_files
from fedface_stack.children import Children
from fedface_stack.log_files import LogRotation, all_files, last_lines, rotate_if_long, rotated, start_anew
from support.servers import wait_for


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "api.log"


@pytest.fixture
def children() -> Iterator[Children]:
    with closing(Children()) as children:
        yield children


def test_a_long_log_becomes_the_older_part_and_its_process_writes_on(log: Path, children: Children) -> None:
    command = ["sh", "-c", "echo first; read line < go; echo second"]
    os.mkfifo(log.with_name("go"))
    process = children.start(command, os.environ, log, log.parent)
    while not log.read_text():
        time.sleep(0.01)
    rotate_if_long(log, most_bytes=5)
    assert (log.read_text(), rotated(log).read_text()) == ("", "first\n")
    log.with_name("go").write_text("\n")
    process.wait(30)
    children.kill(process)
    assert log.read_bytes() == b"second\n", "a process that did not append would leave a gap"
    assert last_lines(log, 2) == ["first", "second"]
    assert last_lines(log, 1) == ["second"]


def test_a_short_log_and_a_missing_one_are_left_alone(log: Path) -> None:
    rotate_if_long(log, most_bytes=5)
    log.write_text("12345")
    rotate_if_long(log, most_bytes=5)
    assert list(all_files(log.parent)) == [log]


def test_if_the_older_part_cannot_be_written_the_log_is_emptied_and_says_so(log: Path) -> None:
    log.write_text("a long log\n")
    rotated(log).mkdir()
    rotate_if_long(log, most_bytes=5)
    assert log.read_text() == (
        f"the stack has dropped what this log had before: it cannot write {rotated(log)}: Is a directory\n"
    )


def test_a_process_that_logs_without_end_does_not_fill_the_disk(
    log: Path, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_files, "MOST_LOG_BYTES", 10_000)
    monkeypatch.setattr(log_files, "PERIOD_SECONDS", 0.01)
    writing = "while head -c 2000 /dev/zero; do sleep 0.001; done"
    with closing(LogRotation(log.parent)):
        process = children.start(["sh", "-c", writing], os.environ, log)
        wait_for("the first rotation", rotated(log).exists, every=0.01)
        for _ in range(20):
            time.sleep(0.01)
            assert sum(file.stat().st_size for file in all_files(log.parent)) < 1_000_000
        children.kill(process)


def test_a_new_stack_begins_with_empty_logs(log: Path) -> None:
    log.write_text("old")
    rotated(log).write_text("older")
    start_anew(log)
    assert list(all_files(log.parent)) == [log]
    assert last_lines(log, 5) == []


def test_only_the_end_of_a_log_is_read(log: Path) -> None:
    subprocess.run(["sh", "-c", f"yes | head -c 1000000 > {log}; echo last >> {log}"], check=True)
    assert last_lines(log, 2) == ["y", "last"]


def test_the_logs_are_looked_at_again_after_an_error(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log.touch()
    looks: list[Path] = []
    again = threading.Event()

    def full(file: Path, _most: int) -> None:
        looks.append(file)
        if len(looks) > 2:
            again.set()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(log_files, "rotate_if_long", full)
    monkeypatch.setattr(log_files, "PERIOD_SECONDS", 0.01)
    with closing(LogRotation(log.parent)) as rotation:
        assert again.wait(30)
    assert rotation.problem == f"the logs in {log.parent} cannot be kept short: No space left on device"
