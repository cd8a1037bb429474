"""`fedface bench start`: how long one waits for the command, and for the local stack."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def start(
    repetitions: Annotated[int, typer.Option(min=1, help="How often each is measured, by turns.")] = 5,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the report there, too.")] = None,
) -> None:
    """Time `fedface --help`, the import of control, and `fedface up` until the stack is ready: whole processes each."""
    from rich.console import Console

    from fedface_stack.signals import exit_on_termination
    from loadtest.bench.machine import this_machine
    from loadtest.bench.repetitions import by_turns
    from loadtest.bench.report import Column, check_writable, show, write
    from loadtest.bench.start_times import MEASURES, StartReport

    exit_on_termination()
    check_writable(json_file)
    console, machine = Console(), this_machine()
    with console.status("starting and stopping"):
        seconds = by_turns(MEASURES, repetitions)
    columns = (Column(head="", cells=tuple(seconds)), Column(head="s", cells=tuple(map(str, seconds.values()))))
    show(console, f"seconds: median and range of {repetitions}", columns, machine)
    write(json_file, StartReport(machine=machine, seconds=seconds))
