"""`fedface bench simulate`: rounds of real training on a local stack, and on the bare loop with as many processes.

The command measures the system that simulates clients by worker processes. It does not call the function `simulate` of
`fedface_learning`, which runs a plan in one process; `fedface bench peers` measures that function.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedface_cli.command_options import with_json
from fedface_stack.up import Artifacts

if TYPE_CHECKING:
    from rich.console import Console

    from loadtest.bench.stack_speed_report import StackSpeedReport

_WARM_UP_ROUNDS = 3
_ROUNDS = 2


@with_json
def stack_speed(
    clients: Annotated[int, typer.Option(min=2, help="Clients, all of them in every cohort.")] = 200,
    repetitions: Annotated[int, typer.Option(min=1, help="How often each system is measured, in turns.")] = 5,
    processes: Annotated[
        int | None,
        typer.Option(min=1, help="Processes that train: client workers, and those of the bare loop. Default: one a core."),
    ] = None,
    artifacts: Annotated[
        Artifacts, typer.Option(help="Artifacts in a directory or in an embedded S3 server.")
    ] = Artifacts.DIRECTORY,
    cpu: Annotated[
        bool, typer.Option("--cpu", help="Report where a client's processor time goes, by process and thread.")
    ] = False,
) -> None:
    """Train a small network on simulated clients, round after round: on a local stack and on the bare loop, its limit.

    The local stack has queue, store and all services; its client workers stand for the clients. The bare loop, in plain
    PyTorch, averages the clients' models in shared memory; it uploads, checks and evaluates nothing. FedFace is measured
    three times: with clients that report the losses that their training steps see, with those whose updates a worker
    combines, and with clients that measure the losses separately. With `--cpu` a second table has the processor time of each
    part of the stack, divided by the clients. `fedface bench peers` measures the simulation in one process without services.
    """
    from fedface_cli.plain_console import talk_console
    from fedface_core.domain.errors import FedFaceError
    from fedface_stack.signals import exit_on_termination
    from loadtest.bare.rounds import BareLoopEndedError
    from loadtest.bench.report import print_report

    exit_on_termination()
    console = talk_console()
    processes = processes or os.cpu_count() or 1
    with console.status(f"{clients} clients, {processes} processes, {repetitions} repetitions"):
        try:
            report = measure_systems(clients, processes, repetitions, artifacts, with_cpu=cpu)
        except BareLoopEndedError as error:  # the bare loop imports none of our packages, so it has no FedFaceError
            raise FedFaceError(str(error)) from None
    _show(report, console)
    print_report(report)


def measure_systems(
    clients: int, processes: int, repetitions: int, artifacts: Artifacts, *, with_cpu: bool
) -> StackSpeedReport:
    """Start both systems, and measure their rounds in turns; ``with_cpu``: and the processor time of the stack's."""
    import tempfile
    from functools import partial

    from fedface_stack.stack import CLIENT_NICENESS, LocalStack
    from loadtest.bare import BARE_LOOP, BARE_LOOP_CHANNELS_LAST
    from loadtest.bare.loop import use_one_thread
    from loadtest.bare.rounds import BareRounds
    from loadtest.bench.machine import this_machine
    from loadtest.bench.plan_workload import enrolled_workload
    from loadtest.bench.reference_workload import reference_plan
    from loadtest.bench.repetitions import measure_in_turns
    from loadtest.bench.stack_cpu import RoundsWithCpu
    from loadtest.bench.stack_rounds import ClientStepTimes, mean_round_seconds
    from loadtest.bench.stack_speed_report import StackSpeedReport

    machine = this_machine()
    plan = reference_plan(clients, _ROUNDS)
    plans = {
        "FedFace": plan,
        "FedFace, combined": reference_plan(clients, _ROUNDS, delivery="combined"),
        "FedFace, losses measured": reference_plan(clients, _ROUNDS, losses="measured"),
    }
    use_one_thread()  # the bare loop averages and spreads in this process
    workload = enrolled_workload(plan)
    with (
        tempfile.TemporaryDirectory(prefix="fedface-bench-") as workdir,
        LocalStack(Path(workdir), client_workers=processes, artifacts=artifacts.value) as stack,
        BareRounds(workload, processes, channels_last=False, niceness=CLIENT_NICENESS) as bare,
        BareRounds(workload, processes, channels_last=True, niceness=CLIENT_NICENESS) as bare_channels_last,
    ):
        for loop in (bare, bare_channels_last):
            loop.round()  # the first round is slower
        mean_round_seconds(stack, reference_plan(clients, _WARM_UP_ROUNDS))
        steps = ClientStepTimes(stack)
        with_roles = RoundsWithCpu(stack)
        measure = with_roles.mean_round_seconds if with_cpu else lambda _, plan: mean_round_seconds(stack, plan)
        round_seconds = measure_in_turns(
            {BARE_LOOP: bare.round, BARE_LOOP_CHANNELS_LAST: bare_channels_last.round}
            | {system: partial(measure, system, each) for system, each in plans.items()},
            repetitions,
        )
        return StackSpeedReport(
            machine=machine,
            clients=clients,
            processes=processes,
            artifacts=artifacts.value,
            round_seconds=round_seconds,
            step_ms=steps.means_ms(),
            cpu_ms=with_roles.ms_a_client(),
        )


def _show(report: StackSpeedReport, console: Console) -> None:
    from loadtest.bench.report import Column, show_table

    clients = report.clients
    processes = report.processes
    measured = report.round_seconds.values()
    columns = [
        Column(head="", cells=tuple(report.round_seconds)),
        Column(head="round, s", cells=tuple(map(str, measured))),
        Column(head="clients/s", cells=tuple(f"{clients / seconds.median:.1f}" for seconds in measured)),
        Column(
            head="ms a client", cells=tuple(f"{1000 * processes * seconds.median / clients:.1f}" for seconds in measured)
        ),
        Column(head="of the loop's rate", cells=tuple(map(str, report.share_of_the_loop.values()))),
    ]
    title = f"{clients} clients, {processes} processes, artifacts in {report.artifacts}; median [smallest, largest]"
    show_table(console, title, columns, report.machine)
    steps = ", ".join(f"{step} {milliseconds:.2f}" for step, milliseconds in report.step_ms.items())
    console.print(f"mean ms of a client's steps: {steps}; put and record go on while the next client trains")
    if report.cpu_ms:
        roles = next(iter(report.cpu_ms.values()))
        of_each = [Column(head=name, cells=tuple(map(str, ms.values()))) for name, ms in report.cpu_ms.items()]
        title = "ms of processor time a client, by role, in the measured rounds; median [smallest, largest]"
        show_table(console, title, [Column(head="", cells=tuple(roles)), *of_each], report.machine)
