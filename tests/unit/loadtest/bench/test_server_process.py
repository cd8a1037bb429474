"""A server for a benchmark runs within its block, and tells why it did not start."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fedface_stack.embedded_servers import ProcessSpec
from fedface_stack.stack import StackError
from loadtest.bench.server_process import running


def test_a_server_is_ready_within_the_block(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    script = f"import pathlib, time; pathlib.Path({str(ready)!r}).touch(); time.sleep(60)"
    with running(ProcessSpec("waiting", (sys.executable, "-c", script), ready.exists), tmp_path):
        assert ready.exists()


def test_a_server_that_ends_before_it_is_ready_is_an_error_with_the_end_of_its_log(tmp_path: Path) -> None:
    spec = ProcessSpec("broken", (sys.executable, "-c", "print('no port is free')"), lambda: False)
    with pytest.raises(StackError, match="broken did not start:\nno port is free"), running(spec, tmp_path):
        pass


def test_a_server_runs_in_its_own_folder(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    script = "import pathlib, time; pathlib.Path('here').touch(); time.sleep(60)"
    with running(ProcessSpec("waiting", (sys.executable, "-c", script), (own / "here").exists, directory=own), tmp_path):
        assert (own / "here").exists()
