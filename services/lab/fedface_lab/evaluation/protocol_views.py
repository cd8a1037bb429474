"""The result of a published protocol as a table with remarks, and as fields for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from fedface_cli.wording import percent
from fedface_learning.evaluation.figures import Figure, ProtocolResult

UNRESOLVED = "unresolved"


def result_table(result: ProtocolResult) -> Table:
    """A table with a row for each figure: its value, its spread and its 95 % interval, as far as the protocol has them."""
    table = Table(box=None, padding=(0, 2), header_style="bold")
    table.add_column(result.protocol)
    table.add_column("", justify="right")
    with_spread = any(figure.spread is not None for figure in result.figures.values())
    with_interval = any(figure.interval is not None for figure in result.figures.values())
    if with_spread:
        table.add_column("±", justify="right")
    if with_interval:
        table.add_column("95 % over people", justify="right")
    for name, figure in result.figures.items():
        cells = [UNRESOLVED if figure.value is None else percent(figure.value)]
        if with_spread:
            cells.append("" if figure.spread is None else percent(figure.spread))
        if with_interval:
            cells.append("" if figure.interval is None else percent_interval(figure.interval))
        table.add_row(name, *cells)
    return table


def remark_lines(result: ProtocolResult) -> list[str]:
    """The lines below the table: how much was compared, the meaning of ± and of unresolved figures, and the notes."""
    counted = ", ".join(f"{count:,} {what}" for what, count in result.counts.items() if count)
    spread = [f"± is the {result.spread_is}"] if any(figure.spread is not None for figure in result.figures.values()) else []
    unresolved = any(figure.value is None for figure in result.figures.values())
    too_few = [f"{UNRESOLVED}: too few impostor pairs or non-mated probes for that rate"] if unresolved else []
    return [counted, *spread, *too_few, *result.notes]


def result_fields(result: ProtocolResult) -> Mapping[str, Any]:
    """The result as JSON holds it; the value of an unresolved figure is None."""
    return {
        "protocol": result.protocol,
        "figures": {name: _figure_fields(figure) for name, figure in result.figures.items()},
        "spread_is": result.spread_is,
        "counts": dict(result.counts),
        "cosines": None if result.cosines is None else result.cosines.model_dump(),
        "notes": list(result.notes),
    }


def percent_interval(interval: tuple[float, float] | None) -> str:
    """An interval of shares as per cent, such as ``81.20 – 85.01 %``; a dash if there is none."""
    return "–" if interval is None else f"{100 * interval[0]:.2f} – {percent(interval[1])}"


def _figure_fields(figure: Figure) -> Mapping[str, Any]:
    return {"value": figure.value, "spread": figure.spread, "interval": figure.interval}
