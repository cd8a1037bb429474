"""The scores of a run's first and last model as a table, a ROC plot and JSON figures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from rich.text import Text

from fedface_cli.api_client import ControlApi
from fedface_cli.wording import cosine, counted, percent
from fedface_core.domain.errors import NotFoundError
from fedface_core.domain.results import Scores, VerificationReport
from fedface_core.files.whole_file import whole_file


@dataclass(frozen=True)
class RunComparison:
    """The verification reports of the model that a run started from and of the model that it ended with."""

    before: VerificationReport
    after: VerificationReport

    @classmethod
    def of(cls, api: ControlApi, run_id: str) -> RunComparison:
        """Read the reports of the first and the last evaluated round. Raises `NotFoundError` if no round was evaluated."""
        scored = [view.number for view in api.rounds(run_id).rounds if view.scores]
        if not scored:
            raise NotFoundError(f"no round of {run_id} has been evaluated")
        return cls(api.report(run_id, scored[0]), api.report(run_id, scored[-1]))


def figures(scores: Scores) -> dict[str, float | None]:
    """The scores as `--json` prints them; a TAR is None if too few pairs resolve its FAR."""
    return {
        **{f"tar@{far}": tar for far, tar in scores.tar.items()},
        "auc": scores.auc,
        "eer": scores.eer,
        "mean_genuine_cosine": scores.mean_genuine_cosine,
        "mean_impostor_cosine": scores.mean_impostor_cosine,
    }


def scores_table(scores: Scores) -> Table:
    """One model's scores as a table: a row for each score."""
    table = _table("")
    for name, value, _ in _score_rows(scores):
        table.add_row(name, value)
    return table


def comparison_table(comparison: RunComparison) -> Table:
    """Both models' scores as a table: before, after, and the change, green if it is for the better and red if not."""
    table = _table("before", "after", "change")
    before = _score_rows(comparison.before.scores)
    after = _score_rows(comparison.after.scores)
    for (name, old, old_value), (_, new, new_value) in zip(before, after, strict=True):
        table.add_row(name, old, new, _change_text(name, old_value, new_value))
    return table


def plot_roc(comparison: RunComparison, path: Path) -> None:
    """Draw both models' ROC curves as a PNG; FAR has a logarithmic axis, because the curves differ at low rates.

    Makes the folder of ``path`` if there is none.
    """
    import matplotlib as mpl  # takes half a second; only this function needs it

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import PercentFormatter

    lowest_tar = 1.0
    lowest_far = 1.0 / comparison.after.scores.impostor_pairs
    with plt.rc_context({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
        figure, axes = plt.subplots(figsize=(6.4, 4.4), dpi=160, layout="constrained")
        for report, label, colour, style in (
            (comparison.before, "before", "#8a8f98", "--"),
            (comparison.after, f"after {counted(comparison.after.round, 'round')}", "#0b6bcb", "-"),
        ):
            # FAR 0 has no place on a logarithmic axis.
            points = [point for point in zip(report.roc.far, report.roc.tar, strict=True) if point[0] >= lowest_far]
            lowest_tar = min(lowest_tar, points[0][1])
            legend = f"{label}   AUC {report.scores.auc:.4f}   EER {percent(report.scores.eer)}"
            axes.plot(*zip(*points, strict=True), style, color=colour, linewidth=1.8, label=legend)
        axes.set_xscale("log")
        axes.set_xlim(lowest_far, 1.0)
        axes.set_ylim(math.floor(10 * lowest_tar) / 10, 1.005)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.set_xlabel("false accept rate (FAR)")
        axes.set_ylabel("true accept rate (TAR)")
        scores = comparison.after.scores
        axes.set_title(
            f"Verification of unseen people: {scores.genuine_pairs:,} genuine, {scores.impostor_pairs:,} impostor pairs",
            loc="left",
            fontsize=10,
        )
        axes.grid(which="major", color="#e3e6ea")
        axes.grid(which="minor", color="#f2f4f6", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.legend(loc="lower right", frameon=False)
        with whole_file(path) as file:
            figure.savefig(file, format="png")
        plt.close(figure)


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2), header_style="bold")
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _score_rows(scores: Scores) -> list[tuple[str, str, float | None]]:
    return [
        *((f"TAR at FAR {far}", percent(tar), tar) for far, tar in scores.tar.items()),
        ("AUC", f"{scores.auc:.4f}", scores.auc),
        ("EER", percent(scores.eer), scores.eer),
        ("mean genuine cosine", cosine(scores.mean_genuine_cosine), scores.mean_genuine_cosine),
        ("mean impostor cosine", cosine(scores.mean_impostor_cosine), scores.mean_impostor_cosine),
    ]


def _change_text(name: str, before: float | None, after: float | None) -> Text:
    if before is None or after is None:
        return Text("–")
    change = after - before
    words = f"{100 * change:+.2f} pp" if name.startswith(("TAR", "EER")) else f"{change:+.4f}"
    lower_is_better = name.startswith("EER") or "impostor" in name
    better = change < 0 if lower_is_better else change > 0
    return Text(words, "" if change == 0 else "green" if better else "red")
