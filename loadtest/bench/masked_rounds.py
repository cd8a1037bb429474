"""`fedface bench masked-rounds`: rounds with masks on a local stack, beside rounds of the same training without."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from fedface_cli.command_options import with_json
from fedface_stack.up import Artifacts
from loadtest.bench.secure_aggregation import Server

if TYPE_CHECKING:
    from rich.console import Console

    from fedface_core.domain.plan import Plan
    from loadtest.bench.masked_rounds_report import MaskedRoundsReport

_ROUNDS: Final = 2
_SHARDS: Final = (32, 64, 128, 256)


@with_json
def masked_rounds(
    clients: Annotated[int, typer.Option(min=16, help="Clients, all of them in every cohort.")] = 256,
    shards: Annotated[
        list[int] | None,
        typer.Option("--shard", min=16, max=256, help="Clients of a shard; several times.", show_default="32 to 256"),
    ] = None,
    against: Annotated[
        Server, typer.Option(help="curious: keeps to the protocol; lying: tells clients of different sets.")
    ] = Server.CURIOUS,
    steps: Annotated[int, typer.Option(min=1, help="Local steps of a client, on all its ten images.")] = 5,
    repetitions: Annotated[int, typer.Option(min=1, help="How often each is measured, in turns.")] = 5,
    processes: Annotated[int | None, typer.Option(min=1, help="Client workers. Default: one a core.")] = None,
    artifacts: Annotated[
        Artifacts, typer.Option(help="Artifacts in a directory or in an embedded S3 server.")
    ] = Artifacts.DIRECTORY,
) -> None:
    """Run one plan on a local stack, without masks and with masks in shards of several sizes, and compare rounds and bytes.

    Nobody drops out. The seconds are those from the opening of a training round to the end of its evaluation, the bytes
    those that client workers put and read in a whole run, without models, which a worker reads once for all its clients.
    `fedface bench secure-aggregation` takes the masks' cost apart, in one process.
    """
    from fedface_cli.plain_console import talk_console
    from fedface_stack.signals import exit_on_termination
    from loadtest.bench.report import print_report

    exit_on_termination()
    console = talk_console()
    processes = processes or os.cpu_count() or 1
    plans = plans_to_compare(clients, [min(size, clients) for size in shards or _SHARDS], against, steps)
    with console.status(f"{clients} clients, {processes} client workers, {repetitions} repetitions"):
        report = _measure(plans, repetitions, processes, artifacts)
    _show(report, console)
    print_report(report)


def plans_to_compare(clients: int, sizes: Sequence[int], against: Server, steps: int) -> dict[str, Plan]:
    """Name → plan: one without masks, and one with masks for each size of shards, or the next that can be masked."""
    from fedface_cli.plan_files import make_part
    from fedface_core.domain.plan import Plan
    from loadtest.bench.masked_rounds_report import PLAIN
    from loadtest.bench.reference_workload import REFERENCE_NETWORK

    plain = {
        "name": f"bench: {clients} clients",
        "model": REFERENCE_NETWORK | {"centring": False},
        "data": {"dataset": "synthetic", "images_per_identity": 10},
        "split": {"clients": clients, "test": 2},
        "strategy": "gaussian-negatives",
        "local_training": {"steps": steps, "learning_rate": 0.01, "momentum": 0.9, "losses": "seen"},
        "rounds": _ROUNDS,
    }
    plans = {PLAIN: make_part(Plan, plain)}
    for size in sizes:
        masks = {"secure_aggregation": {"against": against.value}, "cohort": {"shard_size": size}}
        plan = make_part(Plan, plain | masks)
        plans[f"masked in shards of {plan.shard_size_for(clients)}"] = plan  # which may have to be larger
    return plans


def _measure(plans: dict[str, Plan], repetitions: int, processes: int, artifacts: Artifacts) -> MaskedRoundsReport:
    import tempfile
    from functools import partial

    from fedface_stack.stack import LocalStack
    from loadtest.bench.machine import this_machine
    from loadtest.bench.masked_rounds_report import PLAIN, MaskedRoundsReport
    from loadtest.bench.repetitions import measure_in_turns
    from loadtest.bench.stack_rounds import ClientBytes, mean_round_seconds

    machine = this_machine()
    plan = plans[PLAIN]
    with (
        tempfile.TemporaryDirectory(prefix="fedface-bench-") as workdir,
        LocalStack(Path(workdir), client_workers=processes, artifacts=artifacts.value) as stack,
    ):
        kilobytes = {}
        for name, each in plans.items():  # the first round of each is slower
            moved = ClientBytes(stack)
            mean_round_seconds(stack, each)
            kilobytes[name] = sum(count for (_, kind), count in moved.moved().items() if kind != "model") / 1000
        seconds = measure_in_turns(
            {name: partial(mean_round_seconds, stack, each) for name, each in plans.items()}, repetitions
        )
    clients = plan.split.clients
    return MaskedRoundsReport(
        machine=machine,
        clients=clients,
        rounds=_ROUNDS,
        steps=plan.local_training.steps,
        processes=processes,
        artifacts=artifacts.value,
        round_seconds=seconds,
        kilobytes={name: figure / clients for name, figure in kilobytes.items()},
    )


def _show(report: MaskedRoundsReport, console: Console) -> None:
    from loadtest.bench.report import Column, show_table

    measured = report.round_seconds
    columns = [
        Column(head="", cells=tuple(measured)),
        Column(head="round, s", cells=tuple(map(str, measured.values()))),
        Column(head="times plain", cells=tuple(map(str, report.times_plain.values()))),
        Column(
            head="ms a client",
            cells=tuple(f"{1000 * report.processes * each.median / report.clients:.1f}" for each in measured.values()),
        ),
        Column(head="kB a client", cells=tuple(f"{report.kilobytes[name]:,.0f}" for name in measured)),
        Column(head="bytes : plain", cells=tuple(f"{report.bytes_of_plain[name]:.2f}" for name in measured)),
    ]
    title = (
        f"{report.clients} clients, {report.steps} steps, {report.processes} client workers, artifacts in "
        f"{report.artifacts}; bytes of enrolment and {report.rounds} rounds; median [smallest, largest]"
    )
    show_table(console, title, columns, report.machine)
