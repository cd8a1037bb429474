"""What a benchmark gives: a table for people, and a report as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from fedface_cli.terminal import json_wanted, print_json
from fedface_core.domain.errors import InvalidInputError
from fedface_core.files import whole_file
from loadtest.bench.machine import Machine

if TYPE_CHECKING:
    from rich.console import Console


class BenchmarkReport(BaseModel):
    """What every benchmark reports; each adds its figures."""

    model_config = ConfigDict(frozen=True)

    machine: Machine


class Column(BaseModel):
    """A column of a table: its head, and its cells from the top."""

    model_config = ConfigDict(frozen=True)

    head: str
    cells: tuple[str, ...]


def show_table(console: Console, title: str, columns: Sequence[Column], machine: Machine) -> None:
    """Print a table, with the machine below it."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", caption=str(machine), caption_justify="left")
    for column in columns:
        table.add_column(column.head, justify="left" if column is columns[0] else "right")
    for row in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*row)
    console.print(table)


def check_writable(file: Path | None) -> None:
    """Raise `InvalidInputError` if the file cannot be written, or its directory is missing.

    Call this before minutes of measuring.
    """
    if file is None:
        return
    if not file.absolute().parent.is_dir():
        raise InvalidInputError(f"{file}: there is no directory {file.absolute().parent}; make it first")
    whole_file.check_writable(file)


def check_plot_file(option: str, file: Path | None) -> None:
    """Raise `InvalidInputError` if the file of a plot is no .png or .pdf, or if its directory is missing."""
    if file is not None and file.suffix not in (".png", ".pdf"):
        raise InvalidInputError(f"{option} {file}: give a file that ends in .png or .pdf")
    check_writable(file)


def print_report(report: BaseModel) -> None:
    """Print the report as the one document of ``--json``; nothing without the option. A figure that is no number is null."""
    if json_wanted():
        print_json(json.loads(report.model_dump_json()))
