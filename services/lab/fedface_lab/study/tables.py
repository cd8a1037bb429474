"""A study's tables: every scored round as CSV, and each arm's gain as CSV and Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from fedface_lab.study.gains import CONFIDENCE, Estimate, Gain
from fedface_lab.study.job_results import ResultFolder, write_whole
from fedface_lab.study.outcomes import Group, Outcomes, metric_of, metric_title

_AGGREGATION = (
    "folded",
    "images",
    "uploaded_bytes",
    "update_norm",
    "loss_before",
    "loss_after",
    "spreadout_loss",
    "mean_off_diagonal_cosine",
    "max_off_diagonal_cosine",
    "model_sha256",
)


def write_tables(outcomes: Outcomes, folder: ResultFolder) -> None:
    """Write ``results.csv``, ``summary.csv`` and ``summary.md``. They follow from the results alone."""
    write_whole(folder.root / "results.csv", _csv(list(_round_lines(outcomes))))
    write_whole(folder.root / "summary.csv", _csv([_summary_line(outcomes, group) for group in outcomes.with_results]))
    write_whole(folder.root / "summary.md", summary_markdown(outcomes).encode())


def summary_markdown(outcomes: Outcomes) -> str:
    """One table a metric, one line an arm and grid point; in per cent and percentage points."""
    study = outcomes.study
    lines = [
        f"# {study.name}",
        "",
        "Mean ± standard error over seeds, in per cent; the gain, after − before on the same seed, in percentage points, "
        f"with its {100 * CONFIDENCE:.0f} % t-interval. *Seeds*: in how many of them the metric is better after. "
        "*Update*, *round*: what is uploaded, on average (kB: 1,000 bytes).",
    ]
    if study.upper_bound:
        lines.append(f"*Recovered*: (after − before) / (upper − before) of the means, upper being {study.upper_bound}.")
    for metric in outcomes.metrics:
        lines += ["", f"## {metric_title(metric)}", "", *_metric_table(outcomes, metric)]
    return "\n".join(lines) + "\n"


def _metric_table(outcomes: Outcomes, metric: str) -> Iterator[str]:
    axes = list(outcomes.study.grid)
    upper = ["recovered"] if outcomes.study.upper_bound else []
    heads = ["arm", *axes, "before", "after", "gain", "interval", "seeds", *upper, "update", "round"]
    yield f"| {' | '.join(heads)} |"
    yield "|" + "---|" * (1 + len(axes)) + "---:|" * (len(heads) - 1 - len(axes))
    for group in outcomes.with_results:
        gain, where = group.gain(metric), [group.arm, *(str(value) for _, value in group.point)]
        cells = ["–"] * 5 if gain is None else _gain_cells(gain)
        if upper:
            share = _share(outcomes, group, metric)
            cells.append("–" if share is None else f"{100 * share:.1f} %".replace("-", "−"))
        yield f"| {' | '.join([*where, *cells, *_uploaded_cells(group)])} |"


def _gain_cells(gain: Gain) -> list[str]:
    interval = "–" if gain.interval is None else f"[{100 * gain.interval[0]:+.2f}, {100 * gain.interval[1]:+.2f}]"
    return [
        _estimate(gain.before, ""),
        _estimate(gain.after, ""),
        _estimate(gain.gain, "+"),
        interval.replace("-", "−"),
        f"{gain.better} of {gain.seeds}",
    ]


def _uploaded_cells(group: Group) -> list[str]:
    uploaded = group.uploaded()
    return ["–", "–"] if uploaded is None else [f"{size / 1000:,.1f} kB" for size in uploaded]


def _estimate(estimate: Estimate, sign: str) -> str:
    error = "" if estimate.error is None else f" ± {100 * estimate.error:.2f}"
    return f"{100 * estimate.mean:{sign}.2f}{error}".replace("-", "−")


def _summary_line(outcomes: Outcomes, group: Group) -> dict[str, Any]:
    line: dict[str, Any] = {"arm": group.arm, **dict(group.point), "seeds": len(group.results)}
    for metric in outcomes.metrics:
        figures = _figures(group.gain(metric)) | {"recovered": _share(outcomes, group, metric)}
        line |= {f"{metric} {name}": value for name, value in figures.items()}
    of_update, of_round = group.uploaded() or (None, None)
    return line | {"bytes an update": of_update, "bytes a round": of_round}


def _figures(gain: Gain | None) -> dict[str, float | None]:
    """All that a gain says, by the end of its column's name; empty cells where there is none."""
    figures: dict[str, float | None] = {}
    for name in ("before", "after", "gain"):
        estimate: Estimate | None = getattr(gain, name, None)
        figures |= {name: estimate.mean if estimate else None, f"{name} error": estimate.error if estimate else None}
    low, high = gain.interval if gain and gain.interval else (None, None)
    figures |= {"gain low": low, "gain high": high}
    return figures | {"seeds": gain.seeds if gain else None, "seeds better": gain.better if gain else None}


def _share(outcomes: Outcomes, group: Group, metric: str) -> float | None:
    upper = outcomes.upper_bound(group)
    return group.share(metric, upper) if upper else None


def _round_lines(outcomes: Outcomes) -> Iterator[dict[str, Any]]:
    for group in outcomes.with_results:
        for seed, result in group.results.items():
            for finished in result.rounds:
                line = {"arm": group.arm, **dict(group.point), "seed": seed, "round": finished.number}
                line |= {metric: metric_of(finished, metric) for metric in outcomes.metrics}
                for name in ("mean_genuine_cosine", "mean_impostor_cosine"):
                    line[name] = finished.scores and getattr(finished.scores, name)
                yield line | {name: getattr(finished.aggregation, name) for name in _AGGREGATION}


def _csv(lines: list[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue().encode()
