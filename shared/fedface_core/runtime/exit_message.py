"""The end of a service that cannot start: one line that says why, and no traceback."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from fedface_core.domain.errors import FedFaceError, InvalidInputError
from fedface_core.files.file_problem import file_problem

CONFIGURATION: Final = 78
"""The exit status EX_CONFIG of sysexits.h: a setting is missing or wrong."""
FAILED: Final = 1


@contextmanager
def exit_message(service: str) -> Iterator[None]:
    """Print a `FedFaceError`, or an error about a file, that leaves the block as one line on standard error, and exit.

    The exit status is 78 if a setting is wrong (`InvalidInputError`), such as a directory that cannot be used, and 1 if
    something else failed. Other errors are faults of ours, and pass.
    """
    try:
        yield
    except (FedFaceError, OSError) as error:
        problem = file_problem(error) if isinstance(error, OSError) else error
        if problem is None:
            raise
        print(f"{service}: {problem}", file=sys.stderr)
        sys.exit(CONFIGURATION if isinstance(problem, InvalidInputError) else FAILED)
