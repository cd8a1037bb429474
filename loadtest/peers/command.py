"""`fedface bench peers`: equal rounds on the bare loop, Flower, pfl-research and FedFace, in turns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedface_cli.command_options import with_json
from loadtest.peers.environments import ROOT
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
    repetitions: Annotated[int, typer.Option(min=1, help="How often each system is started.")] = 5,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds that count in each repetition, after one to warm up.")] = 5,
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
        float, typer.Option(help="Give up if a system takes longer than this in one repetition.")
    ] = 1800.0,
) -> None:
    """Run equal federated rounds on the bare loop, on Flower, on pfl-research and on FedFace, in turns.

    Makes the peers' virtual environments if they are missing. Ends with status 1 and prints no table if a system fails, or
    if its model after the first round differs from that of the first system.
    """
    from rich.text import Text

    from fedface_cli.plain_console import talk_console
    from fedface_core.files.whole_file import write_whole
    from fedface_stack.signals import exit_on_termination
    from loadtest.bench.report import check_plot_file, check_writable, print_report, show_table
    from loadtest.peers.plot import plot_comparison
    from loadtest.peers.tables import format_markdown, terminal_columns, title

    chosen = _parse_systems(systems)
    exit_on_termination()
    console = talk_console()
    check_writable(markdown_file)
    check_plot_file("--plot", plot_file)
    comparison = _compare(size, chosen, repetitions, rounds, environments, limit_seconds, console)
    show_table(console, title(comparison), terminal_columns(comparison), comparison.machine)
    for name, reason in comparison.unavailable.items():
        console.print(Text.assemble((f"{SYSTEMS[name].label} was not measured:", "yellow"), f" {reason}"))
    print_report(comparison)
    if markdown_file is not None:
        write_whole(markdown_file, format_markdown(comparison).encode())
    if plot_file is not None:
        plot_comparison(comparison, plot_file)


def _parse_systems(given: str) -> list[System]:
    from fedface_core.domain.errors import InvalidInputError

    names = [name.strip() for name in given.split(",")]
    if not set(names) <= SYSTEMS.keys() or len(set(names)) < len(names):
        raise InvalidInputError(f"--systems {given!r}: give some of {', '.join(SYSTEMS)}, each once")
    return [SYSTEMS[name] for name in names]


def _compare(
    size: Size,
    chosen: list[System],
    repetitions: int,
    rounds: int,
    environments: Path,
    limit_seconds: float,
    console: Console,
) -> Comparison:
    import tempfile

    from fedface_core.domain.errors import FedFaceError
    from loadtest.bare.loop import use_one_thread
    from loadtest.bare.workload import write_workload
    from loadtest.bench.plan_workload import enrolled_workload
    from loadtest.peers.comparison import compare, prepare_environments
    from loadtest.peers.measure import measure
    from loadtest.peers.sizes import plan_of

    with console.status("making the peers' environments"):
        pythons, unavailable = prepare_environments(chosen, environments)
    available = [system for system in chosen if system.name in pythons]
    if not available:
        raise FedFaceError(f"none of the systems can be measured: {'; '.join(unavailable.values())}")
    with tempfile.TemporaryDirectory(prefix="peers-") as directory, console.status("writing the workload") as status:
        folder = Path(directory)
        file = folder / "workload.safetensors"
        use_one_thread()
        workload = enrolled_workload(plan_of(size))
        write_workload(workload, file)

        def measure_system(system: System, repetition: int) -> Repetition:
            status.update(f"repetition {repetition + 1} of {repetitions}: {system.label}")
            measured = measure(system, pythons[system.name], file, rounds, folder, limit_seconds)
            seconds = " ".join(f"{each:.2f}" for each in measured.round_seconds)
            console.print(f"{repetition + 1} {system.label}: {seconds} s")
            return measured

        return compare(size, workload, available, measure_system, repetitions, unavailable)
