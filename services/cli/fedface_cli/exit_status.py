"""The exit statuses of `fedface`, all of them. docs/operations.md has this table for its users."""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """What the end of a command means to a script."""

    DONE = 0
    """The command did its work. `run watch`: the run completed."""
    FAILED = 1
    """The command could not do its work. `run watch`: the run failed."""
    WRONG_INPUT = 2
    """An option, an argument, a file or a setting is wrong."""
    CANCELLED = 3
    """`run watch`: the run was cancelled."""
    NOT_FOUND = 4
    """There is no such run, round, report, model or key. `run watch`: the run was deleted, or there is none."""
    UNAVAILABLE = 5
    """The control API, or what it depends on, does not answer. Trying again may help. The run may be well."""
    INTERRUPTED = 130
    """The command was interrupted by Ctrl-C."""
