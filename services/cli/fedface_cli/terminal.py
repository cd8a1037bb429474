"""How commands print. All commands of `fedface`, those of other packages too, print by this module or by `PlainConsole`.

What people wrote is shown as they wrote it: square brackets are no markup, and characters that a terminal would obey are
spelled out (`fedface_core.domain.free_text`). No character is too much for the encoding of the terminal.
"""

from __future__ import annotations

import io
import json
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Final

import typer

from fedface_core.domain.credentials import mask_credentials
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.free_text import one_line, visible

if TYPE_CHECKING:
    from fedface_core.domain.errors import FedFaceError

_json_wanted: Final[ContextVar[bool]] = ContextVar("json_wanted", default=False)


@contextmanager
def json_output(*, wanted: bool) -> Iterator[None]:
    """A context in which commands print JSON for scripts, or text for people."""
    token = _json_wanted.set(wanted)
    try:
        yield
    finally:
        _json_wanted.reset(token)


def json_wanted() -> bool:
    """Whether the command is to print one JSON document, and nothing else."""
    return _json_wanted.get()


def prepare_streams() -> None:
    """Have standard output and standard error spell out what their encoding lacks: ``\\u0416`` for Ж in Latin-1."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(text: object, *, err: bool = False) -> None:
    """Print a line, or several, for a person."""
    # Not typer.echo: it writes UTF-8 to a stream whose encoding is ASCII.
    print(visible(str(text)), file=sys.stderr if err else sys.stdout, flush=True)


def answer(value: object, *lines: object) -> None:
    """Print what a command has to say: ``value`` as JSON for scripts, or the ``lines`` for people."""
    if json_wanted():
        print_json(value)
        return
    for line in lines:
        say(line)


def note(text: object) -> None:
    """Tell a person something beside the answer, on standard error. A script is told nothing beside its answer."""
    if not json_wanted():
        say(text, err=True)


def say_error(error: FedFaceError) -> None:
    """Print why a command ends, on standard error: in words, or as a problem of RFC 9457 for scripts."""
    if json_wanted():
        from fedface_cli.problem_json import problem_of

        print_json(problem_of(error), err=True)
        return
    typer.secho("error: ", fg="red", err=True, nl=False)
    say(error, err=True)


def confirmed(question: str, *, what: str, yes: bool) -> bool:
    """Whether to do what cannot be undone: if ``yes`` was said on the command line, or else to the question.

    It is asked on standard error, on one line, and every answer but y and yes is no. `InvalidInputError`, which begins with
    ``what`` would be done, if nobody is here to answer.
    """
    if yes:
        return True
    if json_wanted() or not sys.stdin.isatty():
        raise InvalidInputError(f"{what} cannot be undone, and nobody is here to confirm it: add --yes")
    # Not typer.confirm: it writes a space to standard output, which may be a file.
    print(f"{one_line(question)} [y/N]: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def print_json(value: object, *, indent: int | None = 2, err: bool = False) -> None:
    """Print a value as JSON, for scripts. All of it is ASCII, so that it is whole JSON in every encoding.

    `ValueError` if a number in it is not finite: JSON has no word for it.
    """
    text = json.dumps(value, indent=indent, allow_nan=False).replace("\x7f", "\\u007f")
    print(text, file=sys.stderr if err else sys.stdout, flush=True)


def print_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print the traceback of a mistake of ours, as `sys.excepthook` does, with the credentials in URLs hidden."""
    print(mask_credentials("".join(traceback.format_exception(kind, error, trace))), end="", file=sys.stderr, flush=True)
