"""`fedface bench peers`: equal rounds on the bare loop, Flower, pfl-research and FedFace, in turns."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedface_cli.command_options import with_json
from fedface_cli.exit_status import ExitStatus
from loadtest.peers.environments import INSTALL_MINUTES, ROOT, missing_environments
from loadtest.peers.sizes import Size
from loadtest.peers.systems import SYSTEMS

if TYPE_CHECKING:
    from rich.console import Console

    from loadtest.peers.comparison import Comparison
    from loadtest.peers.measure import Repetition
    from loadtest.peers.systems import System


@with_json
def peers(
    size: Annotated[Size, typer.Option(help="The network, the images and the clients.")] = Size.SPHERENET,
    repetitions: Annotated[int, typer.Option(min=1, help="How often each system is started, at most.")] = 3,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds that count in each repetition, after one to warm up.")] = 2,
    minutes: Annotated[
        float,
        typer.Option(min=0.1, help="Measure no longer, and report what was measured. The peers are installed before."),
    ] = 9.0,
    systems: Annotated[
        str,
        typer.Option(
            metavar="SYSTEM,…",
            help=f"Systems: {', '.join(SYSTEMS)}. Models are compared with that of the first.",
            show_default="all",
        ),
    ] = ",".join(SYSTEMS),
    markdown_file: Annotated[
        Path | None, typer.Option("--markdown", metavar="FILE", help="Write the table to this file.")
    ] = None,
    plot_file: Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Plot to this PNG or PDF.")] = None,
    environments: Annotated[
        Path, typer.Option(help="The folder of the peers' virtual environments.", show_default=".peers in the checkout")
    ] = ROOT / ".peers",
    limit_seconds: Annotated[
        float, typer.Option(help="Go on without a system that takes longer than this in one repetition.")
    ] = 180.0,
) -> None:
    """Run equal federated rounds on the bare loop, on Flower, on pfl-research and on FedFace, in turns.

    First installs the peers in virtual environments, if these are missing; its first line says so. If the time is up, or if
    the command is told to end (SIGTERM, Ctrl-C), it reports what was measured until then. A system that fails is named, and
    the status is 1. If the model of a system differs from that of the first after the first round, there is no table.
    """
    from rich.text import Text

    from fedface_cli.plain_console import talk_console
    from fedface_core.files.whole_file import write_whole
    from fedface_stack.signals import exit_on_termination
    from loadtest.bench.report import check_plot_file, check_writable, print_report, show_table
    from loadtest.peers.plot import plot_comparison
    from loadtest.peers.tables import (
        format_markdown,
        notes,
        peers_title,
        terminal_columns,
        terminal_peer_columns,
        title,
    )

    chosen = _parse_systems(systems)
    exit_on_termination()
    console = talk_console()
    check_writable(markdown_file)
    check_plot_file("--plot", plot_file)
    limits = _Limits(repetitions, rounds, minutes, limit_seconds)
    console.print(_what_comes_first(chosen, environments, minutes))
    comparison, told_to_end = _compare(size, chosen, limits, environments, console)
    show_table(console, title(comparison), terminal_columns(comparison), comparison.machine)
    if beside_peers := terminal_peer_columns(comparison):
        show_table(console, peers_title(), beside_peers, comparison.machine)
    for note in notes(comparison):
        console.print(Text(note, "yellow"))
    print_report(comparison)
    if markdown_file is not None:
        write_whole(markdown_file, format_markdown(comparison).encode())
    if plot_file is not None:
        plot_comparison(comparison, plot_file)
    if told_to_end is not None:
        raise told_to_end
    if comparison.failed:
        raise typer.Exit(ExitStatus.FAILED)


def _parse_systems(given: str) -> list[System]:
    from fedface_core.domain.errors import InvalidInputError

    names = [name.strip() for name in given.split(",")]
    if not set(names) <= SYSTEMS.keys() or len(set(names)) < len(names):
        raise InvalidInputError(f"--systems {given!r}: give some of {', '.join(SYSTEMS)}, each once")
    return [SYSTEMS[name] for name in names]


def _what_comes_first(chosen: list[System], environments: Path, minutes: float) -> str:
    """Whether the command installs something before it measures, which takes its own time."""
    missing = missing_environments((each.environment for each in chosen if each.environment is not None), environments)
    measuring = f"measures for {minutes:g} minutes at most"
    if not missing:
        return measuring
    what = " and ".join(missing)
    return f"first installs {what} in {environments}, for {INSTALL_MINUTES:g} minutes each at most; then {measuring}"


@dataclass(frozen=True)
class _Limits:
    repetitions: int
    rounds: int
    minutes: float
    seconds: float
    """Of one repetition of one system."""


def _compare(
    size: Size, chosen: list[System], limits: _Limits, environments: Path, console: Console
) -> tuple[Comparison, KeyboardInterrupt | SystemExit | None]:
    """The comparison, and what told the command to end while it was measuring, if something did."""
    import tempfile

    from fedface_core.domain.errors import FedFaceError
    from loadtest.bare.loop import use_one_thread
    from loadtest.bare.workload import write_workload
    from loadtest.bench.plan_workload import enrolled_workload
    from loadtest.peers.comparison import Measurements, prepare_environments
    from loadtest.peers.measure import RunnerFailedError, measure
    from loadtest.peers.sizes import plan_of

    with console.status("installing the peers"):
        pythons, unavailable = prepare_environments(chosen, environments)
    available = [system for system in chosen if system.name in pythons]
    if not available:
        raise FedFaceError(f"none of the systems can be measured: {'; '.join(unavailable.values())}")
    ends_at = time.monotonic() + 60 * limits.minutes
    with tempfile.TemporaryDirectory(prefix="peers-") as directory, console.status("writing the workload") as status:
        folder = Path(directory)
        file = folder / "workload.safetensors"
        use_one_thread()
        workload = enrolled_workload(plan_of(size))
        write_workload(workload, file)
        measurements = Measurements(size, workload, available, unavailable)

        def measure_system(system: System, repetition: int) -> Repetition:
            status.update(f"repetition {repetition + 1} of {limits.repetitions}: {system.label}")
            left = ends_at - time.monotonic()
            if left <= 0:
                raise _TimeIsUpError
            try:
                measured = measure(system, pythons[system.name], file, limits.rounds, folder, min(limits.seconds, left))
            except RunnerFailedError as error:
                if time.monotonic() >= ends_at:
                    raise _TimeIsUpError from error
                raise
            seconds = " ".join(f"{each:.2f}" for each in measured.round_seconds)
            console.print(f"{repetition + 1} {system.label}: {seconds} s")
            return measured

        try:
            measurements.take_turns(measure_system, limits.repetitions)
        except _TimeIsUpError:
            return measurements.comparison(f"{limits.minutes:g} minutes were over"), None
        except (KeyboardInterrupt, SystemExit) as told_to_end:
            return measurements.comparison("the command was told to end"), told_to_end
        return measurements.comparison(), None


class _TimeIsUpError(Exception):
    """The measuring has taken as long as it may."""
