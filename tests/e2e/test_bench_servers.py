"""`fedface bench storage` and `fedface bench aggregate` on real servers: few runs and few updates, once."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


@pytest.mark.parametrize(
    ("options", "key"),
    [
        (("storage", "--runs", "2"), "seconds"),
        (("aggregate", "--updates", "10", "--sizes", "small", "--artifacts", "s3", "--repetitions", "1"), "sizes"),
    ],
    ids=["storage", "aggregate"],
)
def test_it_measures_on_servers_of_its_own(options: tuple[str, ...], key: str) -> None:
    command = [sys.executable, "-m", "fedface_cli.main", "bench", *options, "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert json.loads(ended.stdout)[key]
