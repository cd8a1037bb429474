"""A study's plots with their captions. Each is drawn by one function, from stored results alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from fedface_core.files.whole_file import write_whole
from fedface_lab.study.grid import grid_points
from fedface_lab.study.job_results import ResultFolder
from fedface_lab.study.plots.cosines import plot_cosines
from fedface_lab.study.plots.gain import numeric_axes, plot_gain_against, plot_gain_of_arms, plot_gain_per_round
from fedface_lab.study.plots.identities import plot_identities
from fedface_lab.study.plots.roc import plot_roc
from fedface_lab.study.plots.style import Plot, paper_style, save
from fedface_lab.study.study_results import StudyResults, point_title

__all__ = ["draw_all"]


def draw_all(results: StudyResults, folder: ResultFolder) -> list[Path]:
    """Draw all plots that the results allow, as PNG and PDF, and list them with captions in ``plots.md``; the PNGs."""
    paths = []
    page = [f"# {results.study.name}: plots"]
    with paper_style():
        for name, plot in _plots(results, folder):
            # The values of a grid may be lists or paths, which file names cannot hold.
            file_name = re.sub(r"[^A-Za-z0-9._=-]+", "-", name).strip("-")
            paths.append(save(plot.figure, folder.root / "plots" / file_name))
            page += ["", f"![{file_name}](plots/{file_name}.png)", "", plot.caption]
    write_whole(folder.root / "plots.md", ("\n".join(page) + "\n").encode())
    return paths


def _plots(results: StudyResults, folder: ResultFolder) -> Iterator[tuple[str, Plot]]:
    yield "gain-per-round", plot_gain_per_round(results)
    for axis in numeric_axes(results):
        yield f"gain-against-{axis}", plot_gain_against(results, axis)
    if (field := results.study.plot_against) is not None:
        yield f"gain-against-{field}", plot_gain_of_arms(results, field)
    for point in grid_points(results.study):
        groups = results.groups_at(point)
        if not groups:
            continue
        yield f"roc {point_title(point)}", plot_roc(results, groups)
        yield f"cosines {point_title(point)}", plot_cosines(groups)
    for group in results.groups_at(grid_points(results.study)[-1]):
        for seed, job in group.jobs.items():
            tensors = folder.load_embeddings(job) if job.keeps_embeddings else None
            if tensors:
                yield f"identities {group.arm}", plot_identities(group, seed, tensors)
