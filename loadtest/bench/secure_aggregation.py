"""`fedface bench secure-aggregation`: what masks cost a client and the aggregator."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

import typer

from fedface_cli.command_options import with_json


class Server(StrEnum):
    """The aggregator and control that the masks are to hold against."""

    CURIOUS = "curious"
    LYING = "lying"


_REFERENCE: Final = 294_128
_LARGER: Final = 569_382


@with_json
def secure_aggregation(
    clients: Annotated[
        list[int] | None,
        typer.Option(min=16, max=1024, help="Clients of a shard; may be given several times.", show_default="32 to 256"),
    ] = None,
    parameters: Annotated[
        list[int] | None,
        typer.Option(min=1, max=10**8, help="Of the network; several times.", show_default=f"{_REFERENCE} and {_LARGER}"),
    ] = None,
    against: Annotated[
        Server, typer.Option(help="curious: keeps to the protocol; lying: tells clients of different sets.")
    ] = Server.CURIOUS,
) -> None:
    """Carry out rounds of one shard under masks, in this process and on one thread, and count processor time and bytes.

    A tenth of the clients drops out in each phase. Nothing is trained and nothing is stored.
    """
    from fedface_cli.plain_console import talk_console
    from fedface_stack.signals import exit_on_termination
    from loadtest.bench.machine import this_machine
    from loadtest.bench.masking_cost import MaskingReport, measure_cost
    from loadtest.bench.masking_tables import show_costs
    from loadtest.bench.report import print_report

    exit_on_termination()
    console = talk_console()
    machine = this_machine()
    costs = []
    for shard in clients or (32, 64, 128, 256):
        with console.status(f"a shard of {shard} clients"):
            costs.append(measure_cost(shard, parameters or (_REFERENCE, _LARGER), against.value))
    report = MaskingReport(machine=machine, against=against.value, costs=tuple(costs))
    show_costs(console, report)
    print_report(report)
