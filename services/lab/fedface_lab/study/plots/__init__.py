"""A study's plots, each drawn by one function from stored results alone, and each with its caption."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from fedface_lab.study.grid import points
from fedface_lab.study.job_results import ResultFolder, write_whole
from fedface_lab.study.outcomes import Outcomes, point_title
from fedface_lab.study.plots.cosines import plot_cosines
from fedface_lab.study.plots.gain import numeric_axes, plot_gain_against, plot_gain_per_round
from fedface_lab.study.plots.identities import plot_identities
from fedface_lab.study.plots.roc import plot_roc
from fedface_lab.study.plots.style import Plot, paper_style, save

__all__ = ["draw_all"]


def draw_all(outcomes: Outcomes, folder: ResultFolder) -> list[Path]:
    """Draw everything that the results allow, as PNG and PDF, and list it with captions in ``plots.md``."""
    paths, page = [], [f"# {outcomes.study.name}: plots"]
    with paper_style():
        for name, plot in _plots(outcomes, folder):
            # A grid's values may be lists or paths; a file's name is plain.
            plain = re.sub(r"[^A-Za-z0-9._=-]+", "-", name).strip("-")
            paths.append(save(plot.figure, folder.root / "plots" / plain))
            page += ["", f"![{plain}](plots/{plain}.png)", "", plot.caption]
    write_whole(folder.root / "plots.md", ("\n".join(page) + "\n").encode())
    return paths


def _plots(outcomes: Outcomes, folder: ResultFolder) -> Iterator[tuple[str, Plot]]:
    yield "gain-per-round", plot_gain_per_round(outcomes)
    for axis in numeric_axes(outcomes):
        yield f"gain-against-{axis}", plot_gain_against(outcomes, axis)
    for point in points(outcomes.study):
        groups = outcomes.at(point)
        if not groups:
            continue
        yield f"roc {point_title(point)}", plot_roc(outcomes, groups)
        yield f"cosines {point_title(point)}", plot_cosines(groups)
    for group in outcomes.at(points(outcomes.study)[-1]):
        for seed, job in group.jobs.items():
            tensors = folder.load_embeddings(job) if job.keeps_embeddings else None
            if tensors:
                yield f"identities {group.arm}", plot_identities(group, seed, tensors)
