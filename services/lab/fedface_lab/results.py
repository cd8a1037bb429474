"""What a run came to: the table before and after, the ROC plot, and the figures as JSON."""

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


@dataclass(frozen=True)
class Outcome:
    """The reports of the model that a run started from and of the one it ended with."""

    before: VerificationReport
    after: VerificationReport

    @classmethod
    def of(cls, api: ControlApi, run_id: str) -> Outcome:
        """Read both reports. `NotFoundError` where no round was evaluated."""
        scored = [view.number for view in api.rounds(run_id).rounds if view.scores]
        if not scored:
            raise NotFoundError(f"no round of {run_id} has been evaluated")
        return cls(api.report(run_id, scored[0]), api.report(run_id, scored[-1]))


def figures(scores: Scores) -> dict[str, float | None]:
    """Scores by the keys of `fedface demo --json`."""
    return {
        **{f"tar@{far}": tar for far, tar in scores.tar.items()},
        "auc": scores.auc,
        "eer": scores.eer,
        "mean_genuine_cosine": scores.mean_genuine_cosine,
        "mean_impostor_cosine": scores.mean_impostor_cosine,
    }


def scores_table(scores: Scores) -> Table:
    """One model's scores."""
    table = _table("")
    for name, value, _ in _lines(scores):
        table.add_row(name, value)
    return table


def comparison_table(outcome: Outcome) -> Table:
    """Both models' scores, and what changed: green for the better."""
    table = _table("before", "after", "change")
    before, after = _lines(outcome.before.scores), _lines(outcome.after.scores)
    for (name, old, old_value), (_, new, new_value) in zip(before, after, strict=True):
        table.add_row(name, old, new, _change(name, old_value, new_value))
    return table


def plot_roc(outcome: Outcome, path: Path) -> None:
    """Draw both ROC curves as a PNG, with FAR on a logarithmic axis, where the differences are."""
    import matplotlib as mpl  # half a second that only this needs

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import PercentFormatter

    lowest, resolved = 1.0, 1.0 / outcome.after.scores.impostor_pairs
    with plt.rc_context({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
        figure, axes = plt.subplots(figsize=(6.4, 4.4), dpi=160, layout="constrained")
        for report, label, colour, style in (
            (outcome.before, "before", "#8a8f98", "--"),
            (outcome.after, f"after {counted(outcome.after.round, 'round')}", "#0b6bcb", "-"),
        ):
            # Fewer false accepts than one have no place on a logarithmic axis.
            points = [point for point in zip(report.roc.far, report.roc.tar, strict=True) if point[0] >= resolved]
            lowest = min(lowest, points[0][1])
            legend = f"{label}   AUC {report.scores.auc:.4f}   EER {percent(report.scores.eer)}"
            axes.plot(*zip(*points, strict=True), style, color=colour, linewidth=1.8, label=legend)
        axes.set_xscale("log")
        axes.set_xlim(resolved, 1.0)
        axes.set_ylim(math.floor(10 * lowest) / 10, 1.005)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.set_xlabel("false accept rate (FAR)")
        axes.set_ylabel("true accept rate (TAR)")
        scores = outcome.after.scores
        axes.set_title(
            f"Verification of unseen people: {scores.genuine_pairs:,} genuine, {scores.impostor_pairs:,} impostor pairs",
            loc="left",
            fontsize=10,
        )
        axes.grid(which="major", color="#e3e6ea")
        axes.grid(which="minor", color="#f2f4f6", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.legend(loc="lower right", frameon=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)
        plt.close(figure)


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2), header_style="bold")
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _lines(scores: Scores) -> list[tuple[str, str, float | None]]:
    return [
        *((f"TAR at FAR {far}", percent(tar), tar) for far, tar in scores.tar.items()),
        ("AUC", f"{scores.auc:.4f}", scores.auc),
        ("EER", percent(scores.eer), scores.eer),
        ("mean genuine cosine", cosine(scores.mean_genuine_cosine), scores.mean_genuine_cosine),
        ("mean impostor cosine", cosine(scores.mean_impostor_cosine), scores.mean_impostor_cosine),
    ]


def _change(name: str, before: float | None, after: float | None) -> Text:
    if before is None or after is None:
        return Text("–")
    change = after - before
    words = f"{100 * change:+.2f} pp" if name.startswith(("TAR", "EER")) else f"{change:+.4f}"
    lower_is_better = name.startswith("EER") or "impostor" in name
    better = change < 0 if lower_is_better else change > 0
    return Text(words, "" if change == 0 else "green" if better else "red")
