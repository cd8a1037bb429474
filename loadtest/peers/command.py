"""`fedface bench peers`: the same rounds on a bare PyTorch loop, Flower, pfl-research and ours, by turns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loadtest.peers.environments import ROOT
from loadtest.peers.sizes import Size
from loadtest.peers.systems import SYSTEMS

if TYPE_CHECKING:
    from rich.console import Console

    from loadtest.peers.comparison import Comparison
    from loadtest.peers.measure import Measured
    from loadtest.peers.systems import System


def peers(
    size: Annotated[Size, typer.Option(help="The network, the images, the clients.")] = Size.SPHERENET,
    repetitions: Annotated[int, typer.Option(min=1, help="How often each system is started.")] = 5,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds that count in each, after one to warm up.")] = 5,
    systems: Annotated[
        str,
        typer.Option(
            metavar="SYSTEM,…", help=f"Of {', '.join(SYSTEMS)}. Models are held against the first's.", show_default="all"
        ),
    ] = ",".join(SYSTEMS),
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write every figure there.")] = None,
    markdown_file: Annotated[Path | None, typer.Option("--markdown", metavar="FILE", help="Write the table there.")] = None,
    plot_file: Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Draw a PNG there.")] = None,
    environments: Annotated[
        Path, typer.Option(help="Where the peers' environments are made.", show_default=".peers in the checkout")
    ] = ROOT / ".peers",
    limit_seconds: Annotated[float, typer.Option(help="For one system in one repetition.")] = 1800.0,
) -> None:
    """Run the same federated rounds on a bare PyTorch loop, on Flower, on pfl-research and on ours, by turns.

    Makes the peers' virtual environments if they are missing. Exit status 1 if a system fails, or has another model after
    its first round than the others: then there is no table.
    """
    from rich.console import Console

    from fedface_core.domain.errors import FedFaceError
    from fedface_stack.signals import exit_on_termination
    from loadtest.bench.report import check_writable, show, write
    from loadtest.peers.plot import draw
    from loadtest.peers.tables import markdown, narrow_columns, title

    chosen = _systems(systems)
    exit_on_termination()
    console = Console()
    try:
        for file in (json_file, markdown_file, plot_file):
            check_writable(file)
        comparison = _compare(size, chosen, repetitions, rounds, environments, limit_seconds, console)
    except FedFaceError as error:
        console.print(f"[red]{error}[/red]", highlight=False)
        raise typer.Exit(1) from None
    show(console, title(comparison), narrow_columns(comparison), comparison.machine)
    for name, reason in comparison.unavailable.items():
        console.print(f"[yellow]{SYSTEMS[name].label} was not measured:[/] {reason}", highlight=False)
    write(json_file, comparison)
    if markdown_file is not None:
        markdown_file.write_text(markdown(comparison), encoding="utf-8")
    if plot_file is not None:
        draw(comparison, plot_file)


def _systems(given: str) -> list[System]:
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
    from loadtest.bare.loop import one_thread
    from loadtest.bare.workload import write_workload
    from loadtest.bench.plan_workload import enrolled_workload
    from loadtest.peers.comparison import compare, interpreters
    from loadtest.peers.measure import measure
    from loadtest.peers.sizes import plan_of

    with console.status("making the peers' environments"):
        pythons, unavailable = interpreters(chosen, environments)
    present = [system for system in chosen if system.name in pythons]
    if not present:
        raise FedFaceError(f"none of the systems can be measured: {'; '.join(unavailable.values())}")
    with tempfile.TemporaryDirectory(prefix="peers-") as place, console.status("writing the workload") as status:
        folder = Path(place)
        file = folder / "workload.safetensors"
        one_thread()
        workload = enrolled_workload(plan_of(size))
        write_workload(workload, file)

        def take(system: System, repetition: int) -> Measured:
            status.update(f"repetition {repetition + 1} of {repetitions}: {system.label}")
            measured = measure(system, pythons[system.name], file, rounds, folder, limit_seconds)
            seconds = " ".join(f"{each:.2f}" for each in measured.round_seconds)
            console.print(f"{repetition + 1} {system.label}: {seconds} s", highlight=False)
            return measured

        return compare(size, workload, present, take, repetitions, unavailable)
