"""`fedface bench chaos`: kill services and servers while a run goes on, and show that its result does not change."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fedface_cli.command_options import with_json
from fedface_stack.up import Artifacts


class Preset(StrEnum):
    """The names of the plans that chaos can run."""

    SYNTHETIC = "synthetic"
    COMBINED = "combined"
    MASKED = "masked"
    DROPOUTS = "dropouts"


@with_json
def chaos(
    preset: Annotated[Preset, typer.Option(help="The plan.")] = Preset.SYNTHETIC,
    clients: Annotated[int, typer.Option(help="Clients, all of them in every cohort.")] = 24,
    rounds: Annotated[int, typer.Option(help="Training rounds, after enrolment.")] = 6,
    kills: Annotated[int, typer.Option(min=0, help="Exactly this many kills, all before the run ends.")] = 40,
    seed: Annotated[int, typer.Option(help="Seed of the plan and of the adversary.")] = 0,
    artifacts: Annotated[
        Artifacts, typer.Option(help="Artifacts in a directory or in an embedded S3 server.")
    ] = Artifacts.S3,
    limit_seconds: Annotated[float, typer.Option(help="Give up if either run takes longer than this.")] = 1200.0,
    logs: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Keep the logs of both stacks in this folder.")] = None,
) -> None:
    """Kill services and servers while a run goes on, and show that its result does not change.

    Runs a plan on a local stack without faults, then again on a fresh stack while a seeded adversary kills services and
    servers, duplicates and delays messages, stops the store, and puts clocks wrong. Exit status 1 if any check fails.
    """
    from fedface_cli.plain_console import talk_console
    from fedface_learning.seeding import use_deterministic_torch
    from fedface_stack.signals import exit_on_termination
    from loadtest.bench.report import print_report
    from loadtest.chaos.report import ChaosOptions, show
    from loadtest.chaos.scenario import run_scenario

    exit_on_termination()
    use_deterministic_torch(threads=1)  # the simulation computes as a client worker does
    console = talk_console()
    options = ChaosOptions(
        preset=preset.value, clients=clients, rounds=rounds, kills=kills, seed=seed, artifacts=artifacts.value
    )
    report = run_scenario(options, limit_seconds, logs, console)
    show(report, console)
    print_report(report)
    if not report.passed:
        raise typer.Exit(1)
