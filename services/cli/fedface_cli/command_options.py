"""Options that whole families of commands have: ``--json`` for all, and where the control API is for those that talk to it.

A command is decorated by `with_json` or by `with_api`, which adds the options to its signature, where typer finds them. The
command itself does not see them: it prints by `fedface_cli.terminal`, which knows of ``--json``, and asks the API by
`open_api`, which knows of the others.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from inspect import Parameter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from fedface_cli.api_client import ControlApi

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document, for scripts; an error too.")]
ApiUrlOption = Annotated[
    str | None,
    typer.Option(
        "--api-url", metavar="URL", help="The control API.", show_default="FEDFACE_API_URL, the profile's, or this machine's"
    ),
]
ProfileOption = Annotated[
    str | None,
    typer.Option("--profile", metavar="NAME", help="A profile of the file of settings.", show_default="FEDFACE_PROFILE"),
]
CaFileOption = Annotated[
    Path | None,
    typer.Option(
        "--ca-file",
        metavar="FILE",
        help="PEM file of the authorities that may sign the API's certificate.",
        show_default="FEDFACE_API_CA_FILE, or the profile's",
    ),
]

DEVICE_HELP: Final = "What to compute on; auto: a GPU where there is one."
PRECISION_HELP: Final = "tf32 and bfloat16 are faster on a GPU, and less exact."
WorkersOption = Annotated[
    int | None,
    typer.Option(min=1, max=256, help="Processes that decode photographs.", show_default="one for each processor"),
]


@dataclass(frozen=True)
class ApiOptions:
    """Where the control API is, as the options of a command say; None for an option that is not given."""

    api_url: str | None = None
    profile: str | None = None
    ca_file: Path | None = None

    @property
    def name_an_api(self) -> bool:
        """Whether the command line itself says which API is meant."""
        return self.api_url is not None or self.profile is not None


_given: Final[ContextVar[ApiOptions | None]] = ContextVar("api_options", default=None)

_JSON: Final = {"as_json": (JsonOption, False)}
_API: Final = {"api_url": (ApiUrlOption, None), "profile": (ProfileOption, None), "ca_file": (CaFileOption, None)}


def api_options() -> ApiOptions:
    """The options of the command that runs."""
    return _given.get() or ApiOptions()


def open_api() -> ControlApi:
    """A connection to the API that the running command is for, as who has signed in there."""
    from fedface_cli.connection import connect

    return connect(api_options())


def with_json(command: Callable[..., None]) -> Callable[..., None]:
    """The command with ``--json``."""
    return _with_options(command, _JSON)


def with_api(command: Callable[..., None]) -> Callable[..., None]:
    """The command with ``--json`` and with the options of `ApiOptions`."""
    return _with_options(command, _JSON | _API)


def _with_options(command: Callable[..., None], options: dict[str, tuple[Any, Any]]) -> Callable[..., None]:
    signature = inspect.signature(command, eval_str=True)
    added = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in options.items()
    ]

    @functools.wraps(command)
    def command_with_options(*arguments: Any, **given: Any) -> None:
        taken = {name: given.pop(name) for name in options if name in given}
        taken.pop("as_json", None)  # the terminal knows it: an option that is refused before this is a problem in JSON too
        token = _given.set(ApiOptions(**taken))
        try:
            command(*arguments, **given)
        finally:
            _given.reset(token)

    parameters = [*signature.parameters.values(), *added]
    command_with_options.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return command_with_options
