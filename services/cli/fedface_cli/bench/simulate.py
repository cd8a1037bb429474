"""`fedface bench simulate`: rounds of real training on a local stack, beside bare PyTorch loops in as many processes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedface_cli.up import Artifacts

if TYPE_CHECKING:
    from rich.console import Console

    from fedface_cli.bench.simulate_report import SimulateReport

_WARM_UP_ROUNDS, _ROUNDS = 3, 2


def simulate(
    clients: Annotated[int, typer.Option(min=2, help="Clients, all of them in every cohort.")] = 200,
    repetitions: Annotated[int, typer.Option(min=1, help="How often each is measured, by turns.")] = 5,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Client processes, and bare loops; one a core by default.")
    ] = None,
    artifacts: Annotated[
        Artifacts, typer.Option(help="Artifacts in a directory or in an embedded S3 server.")
    ] = Artifacts.DIRECTORY,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the report there, too.")] = None,
) -> None:
    """Train a small network on every client, round after round: the whole system, and the bare loop that is its limit.

    The loop sums the clients' models in place, and neither uploads, checks nor evaluates anything.
    """
    import tempfile

    from rich.console import Console

    from fedface_cli.bench.bare_loop import bare_loops, bare_round_seconds
    from fedface_cli.bench.faithful import StepTimes, faithful_round_seconds
    from fedface_cli.bench.machine import this_machine
    from fedface_cli.bench.reference_workload import reference_plan
    from fedface_cli.bench.repetitions import by_turns
    from fedface_cli.bench.report import check_writable, write
    from fedface_cli.bench.simulate_report import SimulateReport
    from fedface_cli.signals import exit_on_termination
    from fedface_cli.stack import LocalStack

    exit_on_termination()
    check_writable(json_file)
    console, machine, processes = Console(), this_machine(), processes or os.cpu_count() or 1
    plan = reference_plan(clients, _ROUNDS)
    with (
        console.status(f"{clients} clients, {processes} processes, {repetitions} repetitions"),
        tempfile.TemporaryDirectory(prefix="fedface-bench-") as workdir,
        LocalStack(Path(workdir), client_workers=processes, artifacts=artifacts.value) as stack,
        bare_loops(plan, processes) as loops,
    ):
        faithful_round_seconds(stack, reference_plan(clients, _WARM_UP_ROUNDS))
        steps = StepTimes(stack)
        measured = by_turns(
            {"loop": lambda: bare_round_seconds(loops), "system": lambda: faithful_round_seconds(stack, plan)}, repetitions
        )
        report = SimulateReport(
            machine=machine,
            clients=clients,
            processes=processes,
            artifacts=artifacts.value,
            loop_seconds=measured["loop"],
            system_seconds=measured["system"],
            step_ms=steps.means_ms(),
        )
    _show(report, console)
    write(json_file, report)


def _show(report: SimulateReport, console: Console) -> None:
    from fedface_cli.bench.report import Column, show

    clients, processes = report.clients, report.processes
    taken = (report.loop_seconds, report.system_seconds)
    columns = [
        Column(head="", cells=("bare loop", "FedFace")),
        Column(head="round, s", cells=tuple(map(str, taken))),
        Column(head="clients/s", cells=tuple(f"{clients / seconds.median:.1f}" for seconds in taken)),
        Column(head="ms a client", cells=tuple(f"{1000 * processes * seconds.median / clients:.1f}" for seconds in taken)),
        Column(head="of the loop's rate", cells=("", str(report.share_of_the_loop))),
    ]
    title = f"{clients} clients, {processes} processes, artifacts in {report.artifacts}; median [smallest, largest]"
    show(console, title, columns, report.machine)
    steps = ", ".join(f"{step} {milliseconds:.2f}" for step, milliseconds in report.step_ms.items())
    console.print(f"mean ms of a client's steps: {steps}; put and record go on while the next client trains")
