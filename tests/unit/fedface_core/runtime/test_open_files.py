"""The soft limit of open files is raised as far as a process may raise it, within reason."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from fedface_core.runtime.open_files import MOST_OPEN_FILES, raise_open_file_limit

# In a process of its own: a limit that was lowered is not raised again.
RAISE = """
import resource
from fedface_core.runtime.open_files import raise_open_file_limit

resource.setrlimit(resource.RLIMIT_NOFILE, (100, 300))
print(raise_open_file_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def test_the_soft_limit_becomes_the_hard_one() -> None:
    done = subprocess.run([sys.executable, "-c", RAISE], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["300", "300", "300"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((1024, resource.RLIM_INFINITY), (MOST_OPEN_FILES, resource.RLIM_INFINITY)),
        ((1024, 1 << 30), (MOST_OPEN_FILES, 1 << 30)),
        ((1 << 20, 1 << 20), None),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), None),
    ],
)
def test_a_limit_without_end_is_not_asked_for(
    monkeypatch: pytest.MonkeyPatch, before: tuple[int, int], after: tuple[int, int] | None
) -> None:
    """Some programs go through all files that they may have open, one by one."""
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: before)
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: asked.append(limits))
    assert raise_open_file_limit() == MOST_OPEN_FILES
    assert asked == ([after] if after else [])
