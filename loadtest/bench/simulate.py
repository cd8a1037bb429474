"""`fedface bench simulate`: rounds of real training on a local stack, beside rounds of the bare loop in as many processes.

What it measures is the whole system that simulates clients by worker processes. The function `simulate` of
`fedface_learning`, which runs a plan in one process, has no part in it: `fedface bench peers` measures that one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedface_stack.up import Artifacts

if TYPE_CHECKING:
    from rich.console import Console

    from loadtest.bench.simulate_report import SimulateReport

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
    """Train a small network on simulated clients, round after round: the whole system, and the bare loop that is its limit.

    The system is a local stack with queue, store and all services; its client processes stand for the clients. The bare
    loop, in plain PyTorch, averages the clients' models in shared memory; it uploads, checks and evaluates nothing.
    FedFace is measured twice: with clients that report the losses that their steps see, and with clients that measure them
    besides. One process without services, as studies have it, is a system of `fedface bench peers`.
    """
    from rich.console import Console

    from fedface_core.domain.errors import FedFaceError
    from fedface_stack.signals import exit_on_termination
    from loadtest.bare.rounds import BareLoopEndedError
    from loadtest.bench.report import check_writable, write

    exit_on_termination()
    check_writable(json_file)
    console = Console()
    processes = processes or os.cpu_count() or 1
    with console.status(f"{clients} clients, {processes} processes, {repetitions} repetitions"):
        try:
            report = _measure(clients, processes, repetitions, artifacts)
        except BareLoopEndedError as error:  # it knows none of our packages, nor our errors
            raise FedFaceError(str(error)) from None
    _show(report, console)
    write(json_file, report)


def _measure(clients: int, processes: int, repetitions: int, artifacts: Artifacts) -> SimulateReport:
    import tempfile

    from fedface_stack.stack import CLIENT_NICENESS, LocalStack
    from loadtest.bare import BARE_LOOP, BARE_LOOP_CHANNELS_LAST
    from loadtest.bare.loop import one_thread
    from loadtest.bare.rounds import BareRounds
    from loadtest.bench.faithful import StepTimes, faithful_round_seconds
    from loadtest.bench.machine import this_machine
    from loadtest.bench.plan_workload import enrolled_workload
    from loadtest.bench.reference_workload import reference_plan
    from loadtest.bench.repetitions import by_turns
    from loadtest.bench.simulate_report import SimulateReport

    machine = this_machine()
    plan = reference_plan(clients, _ROUNDS)
    measuring = reference_plan(clients, _ROUNDS, losses="measured")
    one_thread()  # the rounds of the bare loop end in this process
    workload = enrolled_workload(plan)
    with (
        tempfile.TemporaryDirectory(prefix="fedface-bench-") as workdir,
        LocalStack(Path(workdir), client_workers=processes, artifacts=artifacts.value) as stack,
        BareRounds(workload, processes, channels_last=False, niceness=CLIENT_NICENESS) as bare,
        BareRounds(workload, processes, channels_last=True, niceness=CLIENT_NICENESS) as bare_channels_last,
    ):
        for loop in (bare, bare_channels_last):
            loop.round()  # the first one is slower
        faithful_round_seconds(stack, reference_plan(clients, _WARM_UP_ROUNDS))
        steps = StepTimes(stack)
        round_seconds = by_turns(
            {
                BARE_LOOP: bare.round,
                BARE_LOOP_CHANNELS_LAST: bare_channels_last.round,
                "FedFace": lambda: faithful_round_seconds(stack, plan),
                "FedFace, losses measured": lambda: faithful_round_seconds(stack, measuring),
            },
            repetitions,
        )
        return SimulateReport(
            machine=machine,
            clients=clients,
            processes=processes,
            artifacts=artifacts.value,
            round_seconds=round_seconds,
            step_ms=steps.means_ms(),
        )


def _show(report: SimulateReport, console: Console) -> None:
    from loadtest.bench.report import Column, show

    clients, processes, taken = report.clients, report.processes, report.round_seconds.values()
    columns = [
        Column(head="", cells=tuple(report.round_seconds)),
        Column(head="round, s", cells=tuple(map(str, taken))),
        Column(head="clients/s", cells=tuple(f"{clients / seconds.median:.1f}" for seconds in taken)),
        Column(head="ms a client", cells=tuple(f"{1000 * processes * seconds.median / clients:.1f}" for seconds in taken)),
        Column(head="of the loop's rate", cells=tuple(map(str, report.share_of_the_loop.values()))),
    ]
    title = f"{clients} clients, {processes} processes, artifacts in {report.artifacts}; median [smallest, largest]"
    show(console, title, columns, report.machine)
    steps = ", ".join(f"{step} {milliseconds:.2f}" for step, milliseconds in report.step_ms.items())
    console.print(f"mean ms of a client's steps: {steps}; put and record go on while the next client trains")
