"""A study's tables: a line for each round as CSV, and the gain of each arm as CSV and Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fedface_core.files.whole_file import write_whole
from fedface_lab.study.gains import CONFIDENCE, Estimate, Gain
from fedface_lab.study.job_results import ResultFolder
from fedface_lab.study.study_results import Group, StudyResults, metric_of, metric_title

_AGGREGATION_FIELDS = (
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


def write_tables(results: StudyResults, folder: ResultFolder) -> list[Path]:
    """Write ``results.csv`` (a line for each round), ``summary.csv`` and ``summary.md`` (the gain of each arm)."""
    files = {
        "results.csv": _csv(list(_round_lines(results))),
        "summary.csv": _csv(summary_lines(results)),
        "summary.md": summary_markdown(results).encode(),
    }
    for name, data in files.items():
        write_whole(folder.root / name, data)
    return [folder.root / name for name in files]


def summary_lines(results: StudyResults) -> list[dict[str, Any]]:
    """The gain of each arm and grid point, in shares: the lines of ``summary.csv`` by its columns."""
    return [_summary_line(results, group) for group in results.groups_with_results]


def summary_markdown(results: StudyResults) -> str:
    """The summary as Markdown: a table for each metric, with a line for each arm and grid point, in per cent."""
    study = results.study
    lines = [
        f"# {study.name}",
        "",
        "Mean ± standard error over seeds, in per cent; the gain, after − before on the same seed, in percentage points, "
        f"with its {100 * CONFIDENCE:.0f} % t-interval. *Seeds*: in how many of them the metric is better after. "
        "*Update*, *round*: what is uploaded, on average (kB: 1,000 bytes).",
        f"Scored on the {study.scored_part} people.",
    ]
    if study.upper_bound:
        lines.append(f"*Recovered*: (after − before) / (upper − before) of the means, upper being {study.upper_bound}.")
    if study.fused:
        fused = ", ".join(study.fused)
        lines.append(
            f"*Fused rounds*: each round of {fused} was computed as one batch, which equals its clients' but for rounding."
        )
    if study.centred:
        lines.append(
            f"*Centred*: {', '.join(study.centred)} started from a network whose centre is the mean feature of the clients."
        )
    if study.recentred:
        recentred = ", ".join(study.recentred)
        lines.append(f"*Recentred*: {recentred} are scored with the centre that the last model gives the clients.")
    if study.compared:
        lines.append("*Difference*: an arm's *after* minus that of the arm beside it, on the same seed.")
    if study.without_clients:
        lines.append(f"*Net*: the same from {study.without_clients}'s *after* on, instead of *before*.")
    for metric in results.metrics:
        lines += ["", f"## {metric_title(metric)}", "", *_metric_table(results, metric)]
        if study.compared:
            lines += ["", *_comparison_table(results, metric)]
    return "\n".join(lines) + "\n"


def _metric_table(results: StudyResults, metric: str) -> Iterator[str]:
    axes = list(results.study.grid)
    upper = ["recovered"] if results.study.upper_bound else []
    upper += ["net"] if results.study.without_clients else []
    heads = ["arm", *axes, "before", "after", "gain", "interval", "seeds", *upper, "update", "round"]
    yield f"| {' | '.join(heads)} |"
    yield "|" + "---|" * (1 + len(axes)) + "---:|" * (len(heads) - 1 - len(axes))
    for group in results.groups_with_results:
        gain = group.gain(metric)
        names = [group.arm, *(str(value) for _, value in group.point)]
        cells = ["–"] * 5 if gain is None else _gain_cells(gain)
        shares = (_recovered_share(results, group, metric), _net_share(results, group, metric))
        cells += ["–" if share is None else f"{100 * share:.1f} %".replace("-", "−") for share in shares[: len(upper)]]
        yield f"| {' | '.join([*names, *cells, *_upload_cells(group)])} |"


def _comparison_table(results: StudyResults, metric: str) -> Iterator[str]:
    axes = list(results.study.grid)
    heads = ["arm", "beside", *axes, "difference", "interval", "seeds"]
    yield f"| {' | '.join(heads)} |"
    yield "|" + "---|" * (2 + len(axes)) + "---:|" * 3
    for group in results.groups_with_results:
        other = results.compared(group)
        if other is None:
            continue
        difference = group.difference(metric, other)
        cells = ["–"] * 3 if difference is None else _gain_cells(difference)[2:]
        yield f"| {' | '.join([group.arm, other.arm, *(str(value) for _, value in group.point), *cells])} |"


def _gain_cells(gain: Gain) -> list[str]:
    interval = "–" if gain.interval is None else f"[{100 * gain.interval[0]:+.2f}, {100 * gain.interval[1]:+.2f}]"
    return [
        _estimate(gain.before, ""),
        _estimate(gain.after, ""),
        _estimate(gain.gain, "+"),
        interval.replace("-", "−"),
        f"{gain.better} of {gain.seeds}",
    ]


def _upload_cells(group: Group) -> list[str]:
    mean_upload = group.mean_upload()
    return ["–", "–"] if mean_upload is None else [f"{size / 1000:,.1f} kB" for size in mean_upload]


def _estimate(estimate: Estimate, sign: str) -> str:
    error = "" if estimate.error is None else f" ± {100 * estimate.error:.2f}"
    return f"{100 * estimate.mean:{sign}.2f}{error}".replace("-", "−")


def _summary_line(results: StudyResults, group: Group) -> dict[str, Any]:
    line: dict[str, Any] = {"arm": group.arm, **dict(group.point), "seeds": len(group.results)}
    for metric in results.metrics:
        columns = _gain_columns(group.gain(metric)) | {"recovered": _recovered_share(results, group, metric)}
        if results.study.without_clients:
            columns["recovered net"] = _net_share(results, group, metric)
        if results.study.compared:
            columns |= _difference_columns(results, group, metric)
        line |= {f"{metric} {name}": value for name, value in columns.items()}
    of_update, of_round = group.mean_upload() or (None, None)
    return line | {"bytes an update": of_update, "bytes a round": of_round}


def _gain_columns(gain: Gain | None) -> dict[str, float | None]:
    """The figures of a gain by the end of their column's name; all are None if there is no gain."""
    columns: dict[str, float | None] = {}
    for name in ("before", "after", "gain"):
        estimate: Estimate | None = getattr(gain, name, None)
        columns |= {name: estimate.mean if estimate else None, f"{name} error": estimate.error if estimate else None}
    low, high = gain.interval if gain and gain.interval else (None, None)
    columns |= {"gain low": low, "gain high": high}
    return columns | {"seeds": gain.seeds if gain else None, "seeds better": gain.better if gain else None}


def _difference_columns(results: StudyResults, group: Group, metric: str) -> dict[str, float | None]:
    """What the group gives beside the one that it is compared with; all are None if there is none."""
    other = results.compared(group)
    columns = _gain_columns(group.difference(metric, other) if other else None)
    of_gain = {name.replace("gain", "difference"): value for name, value in columns.items() if name.startswith("gain")}
    return of_gain | {"seeds better than beside": columns["seeds better"]}


def _recovered_share(results: StudyResults, group: Group, metric: str) -> float | None:
    upper = results.upper_bound(group)
    return group.recovered_share(metric, upper) if upper else None


def _net_share(results: StudyResults, group: Group, metric: str) -> float | None:
    upper = results.upper_bound(group)
    lower = results.without_clients(group)
    return group.recovered_share(metric, upper, lower) if upper and lower else None


def _round_lines(results: StudyResults) -> Iterator[dict[str, Any]]:
    for group in results.groups_with_results:
        for seed, result in group.results.items():
            for finished in result.rounds:
                line = {"arm": group.arm, **dict(group.point), "seed": seed, "round": finished.number}
                line |= {metric: metric_of(finished, metric) for metric in results.metrics}
                for name in ("mean_genuine_cosine", "mean_impostor_cosine"):
                    line[name] = finished.scores and getattr(finished.scores, name)
                yield line | {name: getattr(finished.aggregation, name) for name in _AGGREGATION_FIELDS}


def _csv(lines: list[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue().encode()
