"""The comparison as a table for the terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from loadtest.bench.report import Column
from loadtest.peers.comparison import Comparison, SystemFigures
from loadtest.peers.systems import LIMITS, PEERS, SYSTEMS


def title(comparison: Comparison) -> str:
    """A sentence on the workload, the repetitions and the rounds."""
    return (
        f"{comparison.clients} clients × {comparison.images} images, {comparison.parameters:,} parameters, "
        f"{comparison.steps} local steps, every client in every round: "
        f"{comparison.repetitions} repetitions of {comparison.rounds} rounds, median [least, most]"
    )


def notes(comparison: Comparison) -> list[str]:
    """What is to be known besides: what cut the measuring off, and which systems were not measured, or not to the end."""
    found = []
    if comparison.cut_off is not None:
        counts = ", ".join(f"{system.name} {len(system.rounds)}" for system in comparison.systems)
        found.append(f"The measuring was cut off: {comparison.cut_off}. Repetitions of each system: {counts}.")
    later = {name: reason for name, reason in comparison.failed.items() if name not in comparison.unavailable}
    found += [f"{SYSTEMS[name].label} failed in a later repetition: {reason}" for name, reason in later.items()]
    found += [f"{SYSTEMS[name].label} was not measured: {reason}" for name, reason in comparison.unavailable.items()]
    return found


def columns(comparison: Comparison) -> tuple[Column, ...]:
    """All columns, with one row for each system; systems that were not measured are at the end."""
    return (
        _column(comparison, "system", lambda system: system.label, lambda name: SYSTEMS[name].label),
        _round_column(comparison),
        _column(comparison, "clients a second", lambda system: f"{system.clients_per_second:.3g}"),
        *_speed_columns(comparison),
        _cpu_column(comparison),
        _column(comparison, "first round, s", lambda system: f"{system.warm_up_seconds.median:.3g}"),
        _column(comparison, "start, s", lambda system: f"{system.start_seconds.median:.3g}"),
        _column(comparison, "model differs by", lambda system: f"{system.largest_difference:.1g}"),
    )


def terminal_columns(comparison: Comparison) -> tuple[Column, ...]:
    """The columns for which a terminal has room, with each system by its name on the command line."""
    names = _column(comparison, "system", lambda system: system.name, lambda name: name)
    return (names, _round_column(comparison), *_speed_columns(comparison), _cpu_column(comparison))


def peers_title() -> str:
    """A sentence on what `peer_columns` compare."""
    return "Speed of FedFace beside each peer (the peer's = 1), within a repetition: median [least, most]"


def peer_columns(comparison: Comparison) -> tuple[Column, ...]:
    """A row for each system of FedFace, a column for each peer that was measured; nothing if there are not both."""
    return _peer_columns(comparison, lambda name: SYSTEMS[name].label)


def terminal_peer_columns(comparison: Comparison) -> tuple[Column, ...]:
    """As `peer_columns`, with systems by their names on the command line."""
    return _peer_columns(comparison, lambda name: name)


def _peer_columns(comparison: Comparison, named: Callable[[str], str]) -> tuple[Column, ...]:
    peers = [name for name in PEERS if any(name in system.speeds for system in comparison.systems)]
    ours = [system for system in comparison.systems if any(name in system.speeds for name in peers)]
    if not ours:
        return ()
    names = Column(head="system", cells=tuple(named(system.name) for system in ours))
    return names, *(Column(head=named(name), cells=tuple(str(system.speeds[name]) for system in ours)) for name in peers)


def _round_column(comparison: Comparison) -> Column:
    return _column(comparison, "round, s", lambda system: str(system.round_seconds), lambda _name: "not measured")


def _speed_columns(comparison: Comparison) -> list[Column]:
    limits = [name for name in LIMITS if any(name in system.speeds for system in comparison.systems)]
    heads = {name: f"speed, {SYSTEMS[name].short_label} = 1" for name in limits}
    return [_column(comparison, heads[name], lambda system, name=name: str(system.speeds[name])) for name in limits]  # type: ignore[misc]


def _cpu_column(comparison: Comparison) -> Column:
    return _column(comparison, "CPU a round, s", lambda system: str(system.cpu_seconds))


def _column(
    comparison: Comparison, head: str, cell: Callable[[SystemFigures], str], missing: Callable[[str], str] = lambda _name: ""
) -> Column:
    """The column with ``cell(figures)`` of each system, then ``missing(name)`` of each that was not measured."""
    return Column(head=head, cells=(*map(cell, comparison.systems), *map(missing, comparison.unavailable)))


def format_markdown(comparison: Comparison) -> str:
    """The tables in Markdown, each below its title; then the machine, and why systems were not measured."""
    versions = sorted({system.torch for system in comparison.systems})
    beside_peers = peer_columns(comparison)
    lines = [
        *_table(title(comparison), columns(comparison)),
        *(_table(peers_title(), beside_peers) if beside_peers else ()),
        f"{comparison.machine}. One torch thread a process; torch {', '.join(versions)}. "
        "Our rounds hold an evaluation, the peers' none.",
    ]
    for note in notes(comparison):
        first, *rest = note.splitlines()
        lines += ["", first, *([""] if rest else []), *(f"    {line}" for line in rest)]
    return "\n".join(lines) + "\n"


def _table(heading: str, columns: Sequence[Column]) -> list[str]:
    return [
        f"{heading}.",
        "",
        _row(column.head for column in columns),
        _row("---" if column is columns[0] else "---:" for column in columns),
        *map(_row, zip(*(column.cells for column in columns), strict=True)),
        "",
    ]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
