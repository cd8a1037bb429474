"""The comparison as a table: on the terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from fedface_cli.bench.report import Column
from loadtest.peers.comparison import Comparison
from loadtest.peers.systems import LIMITS, SYSTEMS

_NOT_MEASURED = "not measured"


def title(comparison: Comparison) -> str:
    """What was done."""
    return (
        f"{comparison.clients} clients × {comparison.images} images, {comparison.parameters:,} parameters, "
        f"{comparison.steps} local steps, every client in every round: "
        f"{comparison.repetitions} repetitions of {comparison.rounds} rounds, median [least, most]"
    )


def columns(comparison: Comparison) -> tuple[Column, ...]:
    """One row a system, those without an environment at the end."""
    systems = comparison.systems
    missing = [SYSTEMS[name].label for name in comparison.unavailable]
    blank = [""] * len(missing)
    limits = [name for name in LIMITS if any(name in system.speeds for system in systems)]

    def column(head: str, cells: Iterator[str], rest: list[str]) -> Column:
        return Column(head=head, cells=(*cells, *rest))

    return (
        column("system", (system.label for system in systems), missing),
        column("round, s", (str(system.round_seconds) for system in systems), [_NOT_MEASURED] * len(missing)),
        column("clients a second", (f"{system.clients_per_second:.3g}" for system in systems), blank),
        *(
            column(f"speed, {SYSTEMS[name].label.replace(', 2 processes', '')} = 1", iter(_speeds(comparison, name)), blank)
            for name in limits
        ),
        column("CPU a round, s", (str(system.cpu_seconds) for system in systems), blank),
        column("first round, s", (f"{system.warm_up_seconds.median:.3g}" for system in systems), blank),
        column("start, s", (f"{system.start_seconds.median:.3g}" for system in systems), blank),
        column("model differs by", (f"{system.largest_difference:.1g}" for system in systems), blank),
    )


def narrow_columns(comparison: Comparison) -> tuple[Column, ...]:
    """What a terminal has room for, each system by its name on the command line."""
    every = columns(comparison)
    names = (*(system.name for system in comparison.systems), *comparison.unavailable)
    speeds = tuple(column for column in every if column.head.startswith("speed"))
    return (
        Column(head="system", cells=names),
        every[1],
        *speeds,
        next(each for each in every if each.head.startswith("CPU")),
    )


def _speeds(comparison: Comparison, limit: str) -> list[str]:
    return [str(system.speeds[limit]) for system in comparison.systems]


def markdown(comparison: Comparison) -> str:
    """The table with what was done above it, and the machine and the reasons for what is missing below."""
    every = columns(comparison)
    versions = sorted({system.torch for system in comparison.systems})
    rows = zip(*(column.cells for column in every), strict=True)
    lines = [
        f"{title(comparison)}.",
        "",
        _row(column.head for column in every),
        _row("---" if column is every[0] else "---:" for column in every),
        *(_row(row) for row in rows),
        "",
        f"{comparison.machine}. One torch thread a process; torch {', '.join(versions)}. "
        "Our rounds hold an evaluation, the peers' none.",
    ]
    for name, reason in comparison.unavailable.items():
        lines += ["", f"{SYSTEMS[name].label} was not measured:", "", *(f"    {line}" for line in reason.splitlines())]
    return "\n".join(lines) + "\n"


def _row(cells: Iterator[str] | tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"
