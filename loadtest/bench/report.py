"""What a benchmark gives: a table on the terminal, and the same as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from fedface_core.domain.errors import InvalidInputError
from loadtest.bench.machine import Machine

if TYPE_CHECKING:
    from rich.console import Console


class Report(BaseModel):
    """Common to the benchmarks; each adds its figures."""

    model_config = ConfigDict(frozen=True)

    machine: Machine


class Column(BaseModel):
    """A column's head, and its cells from the top."""

    model_config = ConfigDict(frozen=True)

    head: str
    cells: tuple[str, ...]


def show(console: Console, title: str, columns: Sequence[Column], machine: Machine) -> None:
    """A table, with the machine below it."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title), title_justify="left", caption=str(machine), caption_justify="left")
    for column in columns:
        table.add_column(column.head, justify="left" if column is columns[0] else "right")
    for row in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*row)
    console.print(table)


def check_writable(file: Path | None) -> None:
    """Before minutes of measuring: is there a directory for the file? `InvalidInputError` where there is none."""
    if file is not None and not file.absolute().parent.is_dir():
        raise InvalidInputError(f"{file}: there is no directory {file.absolute().parent}; make it first")


def check_plot(option: str, file: Path | None) -> None:
    """The same for a plot, whose format is its file's ending."""
    if file is not None and file.suffix not in (".png", ".pdf"):
        raise InvalidInputError(f"{option} {file}: give a file that ends in .png or .pdf")
    check_writable(file)


def write(file: Path | None, report: Report) -> None:
    """The report as JSON, where a file was given."""
    if file is not None:
        file.write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
