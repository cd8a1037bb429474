"""A running `fedface up`, with the services as processes of their own."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loadtest.bench.start_times import up_command, wait_until_ready


@contextmanager
def fedface_up(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running `fedface up` and its API's URL. It is killed at the end if it still runs."""
    # The mark finds its descendants, whatever their names and their parents are.
    environment = {**os.environ, "FEDFACE_TEST_MARK": str(tmp_path), "COLUMNS": "200"}
    command = up_command(tmp_path / "work")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            wait_until_ready(process.stdout)  # as `fedface bench start` waits
            introduction = ""
            while "in another terminal" not in introduction:
                line = process.stdout.readline()
                assert line, f"it ended: {introduction}\n{process.stderr.read() if process.stderr else ''}"
                introduction += line
            found = re.search(r"API +(http://\S+)", introduction)
            assert found is not None
            yield process, found[1]
        finally:
            process.kill()
