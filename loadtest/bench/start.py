"""`fedface bench start`: how long the command and the local stack take to start."""

from __future__ import annotations

from typing import Annotated

import typer

from fedface_cli.command_options import with_json


@with_json
def start(
    repetitions: Annotated[int, typer.Option(min=1, help="How often each start is measured, in turns.")] = 5,
) -> None:
    """Time `fedface --help`, the import of control's API, and `fedface up` until the stack is ready, each as a process."""
    from fedface_cli.plain_console import talk_console
    from fedface_stack.signals import exit_on_termination
    from loadtest.bench.machine import this_machine
    from loadtest.bench.repetitions import measure_in_turns
    from loadtest.bench.report import Column, print_report, show_table
    from loadtest.bench.start_times import MEASURES, StartReport

    exit_on_termination()
    console = talk_console()
    machine = this_machine()
    with console.status("starting and stopping"):
        seconds = measure_in_turns(MEASURES, repetitions)
    columns = (Column(head="", cells=tuple(seconds)), Column(head="s", cells=tuple(map(str, seconds.values()))))
    show_table(console, f"seconds: median and range of {repetitions}", columns, machine)
    print_report(StartReport(machine=machine, seconds=seconds))
