"""Arguments and options of several commands."""

from __future__ import annotations

import re
from typing import Annotated, Final

import typer

from fedface_core.domain.errors import InvalidInputError

_RUN_ID: Final = re.compile(r"run-[0-9a-f]{12}")


def check_run_id(run_id: str | None) -> str | None:
    """The argument as it is. `InvalidInputError` if it cannot be the id of a run: it becomes a part of a URL."""
    if run_id is not None and not _RUN_ID.fullmatch(run_id):
        raise InvalidInputError(
            f"{run_id!r} is no id of a run; it is like run-0123456789ab, and `fedface run list` shows the ids of all runs"
        )
    return run_id


RunIdArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="The run's id, such as run-0123456789ab.", callback=check_run_id)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
