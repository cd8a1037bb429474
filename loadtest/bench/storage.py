"""`fedface bench storage`: what the upkeep of many ended runs costs."""

from __future__ import annotations

from typing import Annotated

import typer

from fedface_cli.command_options import with_json
from fedface_stack.up import Artifacts


@with_json
def storage(
    runs: Annotated[int, typer.Option(min=2, max=100_000, help="Ended runs in the ledger and the store.")] = 2500,
    artifacts: Annotated[
        Artifacts, typer.Option(help="Artifacts in a directory or in an embedded S3 server.")
    ] = Artifacts.S3,
) -> None:
    """Put ended runs into a ledger and a store, and time the upkeep: delete a run, collect garbage, restore the ledger.

    Nothing is trained, and the objects have few bytes: what is measured is the number of requests.
    """
    from fedface_cli.plain_console import talk_console
    from fedface_stack.signals import exit_on_termination
    from loadtest.bench.machine import this_machine
    from loadtest.bench.report import Column, print_report, show_table
    from loadtest.bench.storage_figures import StorageReport, empty_ports, measure_storage, quiet_logs

    exit_on_termination()
    console = talk_console()
    machine = this_machine()
    with console.status(f"{runs} runs"), quiet_logs(), empty_ports(artifacts.value) as (ports, lose_ledger):
        seconds = measure_storage(ports, runs, lose_ledger)
        objects = len(ports.artifacts.keys(""))
    columns = (
        Column(head="", cells=tuple(seconds)),
        Column(head="s", cells=tuple(f"{figure:.3f}" for figure in seconds.values())),
    )
    show_table(console, f"{runs} ended runs, {objects} objects in {artifacts.value}", columns, machine)
    print_report(
        StorageReport(machine=machine, artifacts=artifacts.value, runs=runs, objects=objects, seconds=seconds),
    )
