"""The rounds of a run, and the report of one, as tables for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from fedface_cli.plain_console import shown_digest
from fedface_cli.wording import cosine, percent
from fedface_core.contracts.http import RoundView
from fedface_core.domain.results import VerificationReport


def rounds_table(rounds: Sequence[RoundView], console: Console) -> Table:
    """A line for each round. Model versions are cut short on a terminal."""
    table = Table(box=None, padding=(0, 1), collapse_padding=True, header_style="dim")
    table.add_column("round", justify="right")
    table.add_column("phase")
    for column in ("accepted", "invited", "failed", "late", "AUC", "EER"):
        table.add_column(column, justify="right")
    table.add_column("model", no_wrap=True)
    for view in rounds:
        made = view.aggregation.model_sha256 if view.aggregation else None
        table.add_row(
            str(view.number),
            view.phase,
            str(view.accepted),
            str(view.invited),
            str(len(view.failed)),
            str(view.late),
            f"{view.scores.auc:.4f}" if view.scores else "–",
            percent(view.scores.eer if view.scores else None),
            "–" if made is None else shown_digest(made, console),
        )
    return table


def report_table(report: VerificationReport, console: Console) -> Table:
    """The scores of a model version, one on a line."""
    scores = report.scores
    table = Table.grid(padding=(0, 3))
    table.add_row("round", str(report.round))
    table.add_row("model", shown_digest(report.model_sha256, console))
    for rate, tar in scores.tar.items():
        threshold = (report.thresholds or {}).get(rate)
        accepts = "" if threshold is None else f", from cosine {cosine(threshold)}"
        table.add_row(f"TAR@{rate}", "unresolved: too few impostor pairs" if tar is None else f"{percent(tar)}{accepts}")
    table.add_row("AUC", f"{scores.auc:.4f}")
    table.add_row("EER", percent(scores.eer))
    table.add_row("genuine pairs", f"{scores.genuine_pairs:,}, mean cosine {cosine(scores.mean_genuine_cosine)}")
    table.add_row("impostor pairs", f"{scores.impostor_pairs:,}, mean cosine {cosine(scores.mean_impostor_cosine)}")
    return table
