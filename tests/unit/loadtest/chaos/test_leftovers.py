"""What a stopped stack left is found: processes by mark and by group, half-written files, secrets in logs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from loadtest.chaos.leftovers import check_no_process_left, check_no_secret_logged, check_no_unfinished_file


def test_a_process_that_is_left_is_named_until_it_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtest.chaos.leftovers.PATIENCE_SECONDS", 0.5)
    sleep = [sys.executable, "-c", "import time; print(flush=True); time.sleep(600)"]
    by_mark = subprocess.Popen(sleep, env={"FEDFACE_TEST_MARK": "mine"}, stdout=subprocess.PIPE)
    by_group = subprocess.Popen(sleep, env={}, stdout=subprocess.PIPE, process_group=0)
    with by_mark, by_group:
        for process in (by_mark, by_group):
            assert process.stdout is not None
            process.stdout.readline()
        found = check_no_process_left("FEDFACE_TEST_MARK", "mine", {by_group.pid})
        assert not found.passed
        assert {int(line.split()[0]) for line in found.figures["left"]} == {by_mark.pid, by_group.pid}
        assert check_no_process_left("FEDFACE_TEST_MARK", "another", set()).passed
        by_mark.kill()
        by_group.kill()
    assert check_no_process_left("FEDFACE_TEST_MARK", "mine", {by_group.pid}).passed


def test_a_half_written_file_is_found(tmp_path: Path) -> None:
    assert check_no_unfinished_file(tmp_path).passed
    (tmp_path / "~incoming").mkdir()
    assert check_no_unfinished_file(tmp_path).passed
    (tmp_path / "~incoming" / "tmp123").write_bytes(b"ha")
    assert check_no_unfinished_file(tmp_path).figures == {"left": ["tmp123"]}


def test_a_secret_in_a_log_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("fine\n")
    (tmp_path / "b.log").write_bytes(b"\xff password=own\n")
    assert check_no_secret_logged(tmp_path, ["other"]).passed
    assert check_no_secret_logged(tmp_path, ["other", "own"]).figures == {"logs": 2, "telling": ["b.log"]}
