"""`fedface bench signatures`: what share of a round the signatures of objects and messages take."""

from __future__ import annotations

from typing import Annotated

import typer

from fedface_cli.command_options import with_json
from fedface_stack.up import Artifacts


@with_json
def signatures(
    clients: Annotated[int, typer.Option(min=2, max=10_000, help="Clients of a round.")] = 50,
    repetitions: Annotated[int, typer.Option(min=1, max=100, help="How often each plan is carried out, in turns.")] = 5,
    artifacts: Annotated[
        Artifacts, typer.Option(help="Artifacts in a directory or in an embedded S3 server.")
    ] = Artifacts.S3,
) -> None:
    """Carry out runs of all services in this process, on one thread, and count the time that signatures take.

    Counted is processor time: to sign and check each message, to sign and check each object with its digest, and to ask the
    store for what only signatures need.
    """
    from fedface_cli.plain_console import talk_console
    from fedface_learning.seeding import use_deterministic_torch
    from fedface_stack.signals import exit_on_termination
    from loadtest.bench.machine import this_machine
    from loadtest.bench.report import Column, print_report, show_table
    from loadtest.bench.signature_cost import SignatureReport, measure_shares, plans
    from loadtest.bench.storage_figures import empty_ports, quiet_logs

    exit_on_termination()
    use_deterministic_torch(1)
    console = talk_console()
    machine = this_machine()
    with console.status("rounds"), quiet_logs(), empty_ports(artifacts.value) as (ports, _):
        shares = {what: measure_shares(ports, plan, repetitions) for what, plan in plans(clients).items()}
    columns = (
        Column(head="clients", cells=tuple(shares)),
        Column(head="% of a round", cells=tuple(str(share.percent) for share in shares.values())),
        Column(head="ms for a client", cells=tuple(str(share.milliseconds_of_a_client) for share in shares.values())),
    )
    title = f"signatures on {artifacts.value}, {clients} clients; median [smallest, largest]"
    show_table(console, title, columns, machine)
    print_report(SignatureReport(machine=machine, artifacts=artifacts.value, clients=clients, shares=shares))
