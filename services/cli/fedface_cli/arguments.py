"""Arguments and options of several commands."""

from __future__ import annotations

import re
from typing import Annotated, Final

import typer

from fedface_cli import completions
from fedface_core.domain.errors import InvalidInputError

_KEY_ID: Final = re.compile(r"[A-Za-z0-9-]{1,40}")


def is_run_id(text: str) -> bool:
    """Whether ``text`` can be the id of a run."""
    from fedface_core.domain.ids import RUN_ID_PATTERN  # pydantic is not imported for the help

    return re.fullmatch(RUN_ID_PATTERN, text) is not None


def check_run_id(run_id: str | None) -> str | None:
    """The argument as it is. `InvalidInputError` if it cannot be the id of a run: it becomes a part of a URL."""
    if run_id is not None and not is_run_id(run_id):
        raise InvalidInputError(
            f"{run_id!r} is no id of a run; it is like run-0123456789ab, and `fedface run list` shows the ids of all runs"
        )
    return run_id


def check_phase(phase: str | None) -> str | None:
    """The option as it is. `InvalidInputError` if it is no phase of a run."""
    from fedface_core.domain.run import RunPhase

    if phase is not None and phase not in [*RunPhase]:
        raise InvalidInputError(f"{phase!r} is no phase of a run; the phases are {', '.join(RunPhase)}")
    return phase


RunIdArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="The run's id, such as run-0123456789ab.",
        callback=check_run_id,
        autocompletion=completions.run_ids,
    ),
]

SettingsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Change the plan, such as local_training.learning_rate=1e-4; null restores the default. Repeatable.",
    ),
]

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


def check_key_id(key_id: str) -> None:
    """`InvalidInputError` if this cannot be the id of an API key: it becomes a part of a URL. It is not quoted, since it may
    be the key itself.
    """
    if not _KEY_ID.fullmatch(key_id):
        raise InvalidInputError(
            "this is no id of an API key, which is like 0123456789abcdef: `fedface keys list` shows the ids"
        )
