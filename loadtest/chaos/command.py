"""`fedface bench chaos`: kill everything, again and again, and show that the run comes out the same."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fedface_stack.up import Artifacts


class Preset(StrEnum):
    """The plans that there are."""

    SYNTHETIC = "synthetic"


def chaos(
    preset: Annotated[Preset, typer.Option(help="Which plan.")] = Preset.SYNTHETIC,
    clients: Annotated[int, typer.Option(help="Clients, all of them in every cohort.")] = 24,
    rounds: Annotated[int, typer.Option(help="Training rounds, after enrolment.")] = 6,
    kills: Annotated[int, typer.Option(min=0, help="Exactly so many, all inside the run.")] = 40,
    seed: Annotated[int, typer.Option(help="Of the plan and of the adversary.")] = 0,
    artifacts: Annotated[
        Artifacts, typer.Option(help="Artifacts in a directory or in an embedded S3 server.")
    ] = Artifacts.S3,
    limit_seconds: Annotated[float, typer.Option(help="Give up on either run after so long.")] = 1200.0,
    logs: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Keep the logs of both stacks there.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the proof there, too.")] = None,
) -> None:
    """Kill everything, again and again, while a run goes on, and show that it comes out the same.

    Runs a plan on a local stack in peace, then once more on a fresh one while a seeded adversary kills services and servers,
    duplicates and delays messages, and takes the store away. Exit status 1 if any check fails.
    """
    from rich.console import Console

    from fedface_core.domain.errors import FedFaceError
    from fedface_stack.signals import exit_on_termination
    from loadtest.bench.report import check_writable
    from loadtest.chaos.proof import Failure, Proof, ProofOptions, show
    from loadtest.chaos.scenario import prove

    check_writable(json_file)  # found out now, not after minutes of chaos
    exit_on_termination()
    console = Console()
    options = ProofOptions(
        preset=preset.value, clients=clients, rounds=rounds, kills=kills, seed=seed, artifacts=artifacts.value
    )
    found: Proof | Failure
    try:
        found = prove(options, limit_seconds, logs, console)
    except FedFaceError as error:
        console.print(f"[red]{error}[/red]", highlight=False)
        found = Failure(error=str(error))
    else:
        show(found, console)
    if json_file is not None:
        json_file.write_text(found.model_dump_json(indent=2) + "\n", encoding="utf-8")
    if not found.passed:
        raise typer.Exit(1)
