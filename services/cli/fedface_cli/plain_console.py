"""The rich console of all commands: it takes text as text, and interprets nothing in it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, Final

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.segment import Segment
from rich.status import Status
from rich.text import Text

from fedface_cli.terminal import json_wanted
from fedface_core.domain.free_text import visible

_WIDE: Final = 4000
_SHORT_DIGEST: Final = 12


class PlainConsole(Console):
    """A console without markup, emoji codes and highlighting, in which no text steers the terminal.

    Styles are given by `rich.text.Text`, which takes text as it is, or by the style of a column. ``options`` are those of
    rich's `Console`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """A string as rich lays it out. Spelled-out characters count in the widths of columns."""
        return super().render_str(visible(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The pieces of a renderable; also of those that bring a `Text` of their own."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)

    def status(self, status: RenderableType, **options: Any) -> Status:
        """A line with a spinner, from enter to exit."""
        return _PlainStatus(status, console=self, spinner=self.spinner, **options)

    @property
    def spinner(self) -> str:
        """The name of rich's spinner that the encoding of the terminal has the characters of."""
        return "line" if self.options.ascii_only else "dots"


def talk_console(**options: Any) -> PlainConsole:
    """A console for what people read while a command works and at its end: on standard output, or on standard error if
    standard output is for a JSON document. ``options`` are those of rich's `Console`.
    """
    return PlainConsole(stderr=json_wanted(), **options)


def counting_columns(what: str, *, with_figures: bool = False) -> tuple[ProgressColumn, ...]:
    """The columns of a progress bar that counts: ``what`` is done, the bar, how many of how many, and the time that is left.

    ``with_figures``: before the time stands the field ``figures`` of each task.
    """
    figures = (text_column("{task.fields[figures]}", style="cyan"),) if with_figures else ()
    counted = (BarColumn(bar_width=20), MofNCompleteColumn())
    return text_column(what, style="bold"), *counted, *figures, TimeRemainingColumn()


def listing_console() -> PlainConsole:
    """A console for tables on standard output. Into a file or a pipe a table is as wide as it has to be: nothing is cut,
    unless COLUMNS says how wide it may be.
    """
    console = PlainConsole()
    return console if console.is_terminal or os.environ.get("COLUMNS") else PlainConsole(width=_WIDE)


def shown_digest(sha256: str, console: Console) -> str:
    """A SHA-256 for a table: its beginning on a terminal, else all of it, since what is piped is used."""
    return sha256[:_SHORT_DIGEST] if console.is_terminal else sha256


class _PlainStatus(Status):
    """A `Status` whose text is text. Rich reads markup in it, whatever its console says."""

    def __init__(self, status: RenderableType, **options: Any) -> None:
        super().__init__(_as_text(status), **options)

    def update(self, status: RenderableType | None = None, **options: Any) -> None:
        """Show another text."""
        super().update(None if status is None else _as_text(status), **options)


def text_column(text_format: str, style: str = "none") -> ProgressColumn:
    """The column of a progress bar with text, such as ``{task.description}``. Rich reads markup in its own, by default."""
    return _PlainTextColumn(text_format, style=style)


class _PlainTextColumn(TextColumn):
    """A `TextColumn` whose text is text."""

    def render(self, task: Task) -> Text:
        return Text(visible(self.text_format.format(task=task)), style=self.style, justify=self.justify)


def _as_text(renderable: RenderableType) -> RenderableType:
    return Text(renderable) if isinstance(renderable, str) else renderable
