"""Runs side by side: which fields of their plans differ, how far they have come, and their newest scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from fedface_cli.plain_console import shown_digest
from fedface_cli.wording import cosine, field_value, percent
from fedface_core.contracts.http import RunDetail
from fedface_core.domain.free_text import one_line
from fedface_core.domain.plan.differing_fields import differing_fields

MOST_RUNS: Final = 20


def comparison(runs: Sequence[RunDetail]) -> dict[str, Any]:
    """The comparison as JSON: each row has a value for each run, in their order; null if a run has none."""
    return {
        "runs": [run.id for run in runs],
        "plan": differing_fields([run.plan.model_dump(mode="json") for run in runs]),
        "metrics": {name: [_value(run, name) for run in runs] for name in _metrics(runs)},
    }


def comparison_table(runs: Sequence[RunDetail], console: Console) -> Table:
    """The comparison for people: a column for each run."""
    table = Table(box=None, padding=(0, 1), collapse_padding=True, header_style="dim")
    table.add_column("")
    for run in runs:
        table.add_column(run.id, overflow="fold")
    for field, values in differing_fields([run.plan.model_dump(mode="json") for run in runs]).items():
        table.add_row(field, *map(field_value, values))
    table.add_section()
    for name in _metrics(runs):
        table.add_row(name, *(_shown(run, name, console) for run in runs))
    return table


def _metrics(runs: Sequence[RunDetail]) -> list[str]:
    """The rows of figures. The rates are those that any run reports, in the order of the plans."""
    rates = dict.fromkeys(rate for run in runs if run.scores for rate in run.scores.tar)
    tars = [f"TAR@{rate}" for rate in rates]
    return ["phase", "finished rounds", *tars, "AUC", "EER", "genuine", "impostor", "model"]


def _value(run: RunDetail, name: str) -> Any:
    scores = run.scores
    match name:
        case "phase":
            return str(run.phase)
        case "finished rounds":
            return run.finished_rounds
        case "model":
            return run.model_sha256
    if scores is None:
        return None
    match name:
        case "AUC":
            return scores.auc
        case "EER":
            return scores.eer
        case "genuine":
            return scores.mean_genuine_cosine
        case "impostor":
            return scores.mean_impostor_cosine
        case _:
            return scores.tar.get(name.removeprefix("TAR@"))


def _shown(run: RunDetail, name: str, console: Console) -> str:
    value = _value(run, name)
    if value is None:
        return "–"
    match name:
        case "model":
            return shown_digest(value, console)
        case "AUC":
            return f"{value:.4f}"
        case "genuine" | "impostor":
            return cosine(value)
        case "phase" | "finished rounds":
            return one_line(str(value))
        case _:
            return percent(value)
