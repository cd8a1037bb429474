"""The reaper: a process that kills the children of another process, its owner, after the owner has ended.

A process that is killed by SIGKILL cannot stop its children. So `fedface_stack.children.Children` starts this reaper first,
and holds the only lasting write end of a pipe to it. Each child writes ``+<process group>`` into the pipe before it becomes
its service, and the owner writes ``-<process group>`` after it has reaped a child. The pipe closes when the owner ends, for
whatever reason. Then the reaper kills the groups that are left, with the worker processes in them.

Linux's PR_SET_PDEATHSIG would do less: it reaches only the direct child, it fires when the *thread* that started the child
ends, and other systems do not have it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress


def groups_left(lines: Iterable[str]) -> set[int]:
    """The process groups that ``lines`` report as started (``+<group>``) and not as reaped since (``-<group>``)."""
    groups: set[int] = set()
    for line in lines:
        group = int(line[1:])
        if line[0] == "+":
            groups.add(group)
        else:
            groups.discard(group)
    return groups


def main() -> None:
    """Read standard input until it is closed, then kill the process groups that are left."""
    for group in groups_left(sys.stdin):
        with suppress(ProcessLookupError):  # the group has ended by itself
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
