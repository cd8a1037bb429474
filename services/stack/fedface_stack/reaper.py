"""Ends what a stack leaves behind when its owner is killed.

A process killed by SIGKILL cannot stop its children, so a `fedface_stack.children.Children` starts this reaper first and
holds the only lasting write end of a pipe to it. Each child writes ``+<process group>`` into the pipe before it becomes its
service, and the owner writes ``-<process group>`` once it has reaped one. The pipe ends when its owner is gone, however it
went: then the reaper kills the groups that are left, worker processes of workers included.

Linux's PR_SET_PDEATHSIG would do less: it reaches only the direct child, fires when the *thread* that started it ends, and
is unknown to other systems.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress


def groups_left(lines: Iterable[str]) -> set[int]:
    """The process groups that were reported as started, less those reported as reaped."""
    groups: set[int] = set()
    for line in lines:
        group = int(line[1:])
        if line[0] == "+":
            groups.add(group)
        else:
            groups.discard(group)
    return groups


def main() -> None:
    """Wait for the pipe's end, then kill what is left."""
    for group in groups_left(sys.stdin):
        with suppress(ProcessLookupError):  # it had ended by itself
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
