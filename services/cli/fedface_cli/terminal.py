"""How commands print. All commands of `fedface`, those of other packages too, print by this module or by `PlainConsole`.

What people wrote is shown as they wrote it: square brackets are no markup, and characters that a terminal would obey are
spelled out (`fedface_core.domain.free_text`). No character is too much for the encoding of the terminal.
"""

from __future__ import annotations

import io
import json
import sys
import traceback
from types import TracebackType

import typer

from fedface_core.domain.credentials import mask_credentials
from fedface_core.domain.free_text import one_line, visible


def prepare_streams() -> None:
    """Have standard output and standard error spell out what their encoding lacks: ``\\u0416`` for Ж in Latin-1."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(text: object, *, err: bool = False) -> None:
    """Print a line, or several, for a person."""
    # Not typer.echo: it writes UTF-8 to a stream whose encoding is ASCII.
    print(visible(str(text)), file=sys.stderr if err else sys.stdout, flush=True)


def say_error(error: BaseException) -> None:
    """Print why a command ends, on standard error."""
    typer.secho("error: ", fg="red", err=True, nl=False)
    say(error, err=True)


def confirm(question: str) -> bool:
    """Ask a question that is answered with yes or no, on one line. The default is no."""
    return typer.confirm(one_line(question))


def print_json(value: object, *, indent: int | None = 2) -> None:
    """Print a value as JSON, for scripts. All of it is ASCII, so that it is whole JSON in every encoding.

    `ValueError` if a number in it is not finite: JSON has no word for it.
    """
    print(json.dumps(value, indent=indent, allow_nan=False).replace("\x7f", "\\u007f"), flush=True)


def print_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print the traceback of a mistake of ours, as `sys.excepthook` does, with the credentials in URLs hidden."""
    print(mask_credentials("".join(traceback.format_exception(kind, error, trace))), end="", file=sys.stderr, flush=True)
