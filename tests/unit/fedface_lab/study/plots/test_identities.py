"""A map of identities shows at most twelve of them, and the second map starts from the first."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.collections import PathCollection

from fedface_lab.study.job_results import ResultFolder
from fedface_lab.study.plots.identities import plot_identities
from fedface_lab.study.study_results import load_results
from support.finished_study import Finished


def test_twelve_people_are_shown_where_they_were_before(finished: Finished) -> None:
    group = load_results(ResultFolder(finished.folder)).groups[0]
    draws = torch.Generator().manual_seed(0)
    centres_CD = 3.0 * torch.randn(13, 8, generator=draws)
    labels_N = torch.arange(13).repeat_interleave(2)
    before_ND = torch.nn.functional.normalize(centres_CD[labels_N] + 0.1 * torch.randn(26, 8, generator=draws))
    tensors = {"before_ND": before_ND, "after_ND": before_ND.clone(), "labels_N": labels_N}
    plot = plot_identities(group, 3, tensors)
    maps = []
    for axes in plot.figure.axes:
        people = [points for points in axes.collections if isinstance(points, PathCollection)]
        assert len(people) == 12
        maps.append(np.concatenate([np.asarray(points.get_offsets()) for points in people]))
    before, after = maps
    size = np.ptp(before, axis=0).max()
    assert np.abs(after - before).max() < 0.5 * size, "equal embeddings keep their places, but for the optimiser's steps"
    assert "t-SNE of 12 unseen people's embeddings, seed 3" in plot.caption
    plt.close(plot.figure)
