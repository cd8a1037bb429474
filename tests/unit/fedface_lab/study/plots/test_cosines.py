"""Histograms of cosines are densities, on an axis that holds almost all pairs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.patches import StepPatch

from fedface_core.domain.results import CosineCounts
from fedface_lab.study.job_results import ResultFolder
from fedface_lab.study.plots.cosines import plot_cosines
from fedface_lab.study.study_results import load_results
from support.finished_study import Finished


def test_each_histogram_has_area_one_within_the_axis(finished: Finished) -> None:
    group = load_results(ResultFolder(finished.folder)).groups[0]
    counts = np.zeros(200, dtype=int)
    counts[100:140] = 25  # cosines from 0 to 0.4
    cosines = CosineCounts(genuine=counts.tolist(), impostor=counts.tolist())
    results = {
        seed: result.model_copy(
            update={name: getattr(result, name).model_copy(update={"cosines": cosines}) for name in ("before", "after")}
        )
        for seed, result in group.results.items()
    }
    plot = plot_cosines([replace(group, results=results)])
    (axes,) = plot.figure.axes
    histograms = [patch for patch in axes.patches if isinstance(patch, StepPatch)]
    assert len(histograms) == 4
    for histogram in histograms:
        values, edges, _ = histogram.get_data()
        assert np.sum(values * np.diff(edges)) == pytest.approx(1.0)
    assert axes.get_xlim() == pytest.approx((0.0, 0.4))
    plt.close(plot.figure)
