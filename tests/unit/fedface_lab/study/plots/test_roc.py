"""The axes of a ROC plot hold all of its curves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib import pyplot as plt

from fedface_core.domain.results import RocCurve
from fedface_lab.study.job_results import ResultFolder
from fedface_lab.study.plots.roc import plot_roc
from fedface_lab.study.study_results import load_results
from support.finished_study import Finished


def test_no_roc_curve_is_cut_off(finished: Finished) -> None:
    results = load_results(ResultFolder(finished.folder))
    high = results.groups_with_results[0]
    low = results.groups_with_results[2]
    above, below = (RocCurve(far=[0.0, 0.1, 1.0], tar=[share, share, 1.0]) for share in (0.9, 0.1))
    groups = []
    for group, curve in ((high, above), (low, below)):
        lowered = {
            seed: result.model_copy(
                update={name: getattr(result, name).model_copy(update={"roc": curve}) for name in ("before", "after")}
            )
            for seed, result in group.results.items()
        }
        groups.append(replace(group, results=lowered))
    plot = plot_roc(results, groups)
    for axes in plot.figure.axes:
        assert axes.get_ylim()[0] < 0.1
        assert axes.get_xscale() == "log"
        assert np.asarray(axes.lines[1].get_ydata())[-1] == 1.0
    plt.close(plot.figure)
