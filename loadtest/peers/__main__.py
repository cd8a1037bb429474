"""The same rounds on a bare PyTorch loop, Flower, pfl-research and ours, by turns, on this machine.

    python -m loadtest.peers --repetitions 5 --rounds 5 --json peers.json --markdown peers.md --plot peers.png

Makes the peers' virtual environments where they are missing. Exit status 1 where a system fails, or has another model after
its first round than the others: then there is no table.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from fedface_core.domain.errors import FedFaceError
from fedface_stack.signals import exit_on_termination
from loadtest.bench.report import check_writable, show, write
from loadtest.peers.comparison import Comparison, compare, interpreters
from loadtest.peers.environments import ROOT
from loadtest.peers.make_workload import SIZES, make_workload
from loadtest.peers.measure import Measured, measure
from loadtest.peers.plot import draw
from loadtest.peers.systems import SYSTEMS, System
from loadtest.peers.tables import markdown, narrow_columns, title
from loadtest.peers.workload import one_thread, write_workload


def main() -> int:
    """Parse the command line, measure, report."""
    options = _parser().parse_args()
    exit_on_termination()
    console = Console()
    try:
        for file in (options.json, options.markdown, options.plot):
            check_writable(file)
        comparison = _measure(options, console)
    except FedFaceError as error:
        console.print(f"[red]{error}[/red]", highlight=False)
        return 1
    show(console, title(comparison), narrow_columns(comparison), comparison.machine)
    for name, reason in comparison.unavailable.items():
        console.print(f"[yellow]{SYSTEMS[name].label} was not measured:[/] {reason}", highlight=False)
    write(options.json, comparison)
    if options.markdown is not None:
        options.markdown.write_text(markdown(comparison), encoding="utf-8")
    if options.plot is not None:
        draw(comparison, options.plot)
    return 0


def _measure(options: argparse.Namespace, console: Console) -> Comparison:
    chosen = [SYSTEMS[name] for name in options.systems]
    with console.status("making the peers' environments"):
        pythons, unavailable = interpreters(chosen, options.environments)
    present = [system for system in chosen if system.name in pythons]
    if not present:
        raise FedFaceError(f"none of the systems can be measured: {'; '.join(unavailable.values())}")
    with tempfile.TemporaryDirectory(prefix="peers-") as place, console.status("writing the workload") as status:
        folder = Path(place)
        file = folder / "workload.safetensors"
        one_thread()
        workload = make_workload(options.size)
        write_workload(workload, file)

        def take(system: System, repetition: int) -> Measured:
            status.update(f"repetition {repetition + 1} of {options.repetitions}: {system.label}")
            measured = measure(system, pythons[system.name], file, options.rounds, folder, options.limit_seconds)
            rounds = " ".join(f"{seconds:.2f}" for seconds in measured.round_seconds)
            console.print(f"{repetition + 1} {system.label}: {rounds} s", highlight=False)
            return measured

        return compare(options.size, workload, present, take, options.repetitions, unavailable)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m loadtest.peers", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", choices=tuple(SIZES), default="spherenet", help="the network, the images, the clients")
    parser.add_argument("--repetitions", type=_positive, default=5, help="how often each system is started")
    parser.add_argument("--rounds", type=_positive, default=5, help="rounds that count in each, after one to warm up")
    parser.add_argument("--systems", nargs="+", choices=tuple(SYSTEMS), default=tuple(SYSTEMS), metavar="SYSTEM",
                        help=f"of {', '.join(SYSTEMS)}; all by default; models are held against the first's")  # fmt: skip
    parser.add_argument("--json", type=Path, help="write every figure there")
    parser.add_argument("--markdown", type=Path, help="write the table there")
    parser.add_argument("--plot", type=Path, help="draw a PNG there")
    parser.add_argument("--environments", type=Path, default=ROOT / ".peers", help="where the peers' environments are made")
    parser.add_argument("--limit-seconds", type=float, default=1800.0, help="for one system in one repetition")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


if __name__ == "__main__":
    sys.exit(main())
