"""The tables of `fedface bench secure-aggregation`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from loadtest.bench.masking_cost import MaskingCost, MaskingReport, VectorCost
from loadtest.bench.report import Column, show_table

if TYPE_CHECKING:
    from rich.console import Console


def show_costs(console: Console, report: MaskingReport) -> None:
    """Print what keys cost, a line for each size of shard, and what vectors cost, a line for each size and length."""
    show_table(console, f"keys, against the {report.against}: for each client", _key_columns(report.costs), report.machine)
    show_table(console, "vectors: for each client", _vector_columns(report.costs), report.machine)


def _key_columns(costs: tuple[MaskingCost, ...]) -> list[Column]:
    def column(head: str, cell: Callable[[MaskingCost], str]) -> Column:
        return Column(head=head, cells=tuple(map(cell, costs)))

    return [
        column("clients", lambda cost: str(cost.clients)),
        column("neighbours", lambda cost: str(cost.graph.degree)),
        column("threshold", lambda cost: str(cost.graph.threshold)),
        column("share ms", lambda cost: f"{cost.share_ms:.1f}"),
        column("agree ms", lambda cost: f"{cost.agree_ms:.1f}"),
        column("reveal ms", lambda cost: f"{cost.reveal_ms:.1f}"),
        column("aggregator ms", lambda cost: f"{cost.roster_ms + cost.recover_ms:.1f}"),
        column("kB put", lambda cost: f"{(cost.bundle_bytes + cost.revealed_bytes) / 1000:.1f}"),
        column("kB read", lambda cost: f"{cost.received_bytes / 1000:.1f}"),
    ]


def _vector_columns(costs: tuple[MaskingCost, ...]) -> list[Column]:
    lines = [(cost, vector) for cost in costs for vector in cost.vectors]

    def column(head: str, cell: Callable[[MaskingCost, VectorCost], str]) -> Column:
        return Column(head=head, cells=tuple(cell(*line) for line in lines))

    return [
        column("clients", lambda cost, _: str(cost.clients)),
        column("parameters", lambda _, vector: f"{vector.parameters:,}"),
        column("mask ms", lambda _, vector: f"{vector.mask_ms:.1f}"),
        column("aggregator ms", lambda _, vector: f"{vector.remove_ms:.1f}"),
        column("kB put", lambda _, vector: f"{vector.masked_bytes / 1000:,.0f}"),
        column("kB plain", lambda _, vector: f"{vector.plain_bytes / 1000:,.0f}"),
        column(
            "all bytes : plain",
            lambda cost, vector: f"{all_bytes(cost, vector) / vector.plain_bytes:.2f}",
        ),
    ]


def all_bytes(cost: MaskingCost, vector: VectorCost) -> int:
    """What a client puts and reads for a masked update, but for the model, which it reads anyway."""
    return cost.bundle_bytes + cost.received_bytes + cost.revealed_bytes + vector.masked_bytes
