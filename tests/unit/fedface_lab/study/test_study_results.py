"""Results are grouped by arm and grid point, as far as there are any."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fedface_lab.study.grid import expand
from fedface_lab.study.job_results import ResultFolder
from fedface_lab.study.study_file import read_study
from fedface_lab.study.study_results import load_results, metric_of, metric_title, point_title
from support.finished_study import Finished


def test_half_a_study_can_be_reported(finished: Finished, tmp_path: Path) -> None:
    shutil.copytree(finished.folder, tmp_path / "out")
    folder = ResultFolder(tmp_path / "out")
    for job in expand(read_study(finished.file), finished.file):
        if job.seed == 5 or job.arm == "long":
            folder.result(job).unlink()
    results = load_results(folder)
    assert [group.title for group in results.groups_with_results] == [
        f"{arm}, clients {clients}" for arm in ("fedface", "no spreadout") for clients in (2, 4)
    ]
    gain = results.groups_with_results[0].gain("auc")
    assert gain is not None
    assert (gain.seeds, gain.interval) == (1, None)


def test_the_upper_bound_is_that_of_the_groups_own_point(finished: Finished) -> None:
    results = load_results(ResultFolder(finished.folder))
    for group in results.groups:
        bound = results.upper_bound(group)
        assert (bound and (bound.arm, bound.point)) == (None if group.arm == "long" else ("long", group.point))


def test_an_update_of_every_client_makes_a_rounds_upload(finished: Finished) -> None:
    for group in load_results(ResultFolder(finished.folder)).groups:
        mean_upload = group.mean_upload()
        assert mean_upload is not None
        of_update, of_round = mean_upload
        assert of_round == pytest.approx(of_update * dict(group.point)["split.clients"])


def test_a_round_that_is_not_scored_has_no_metric(finished: Finished) -> None:
    group = load_results(ResultFolder(finished.folder)).groups[0]
    rounds = group.results[3].rounds
    assert [metric_of(rounds[number], "auc") is None for number in range(4)] == [False, True, False, False]
    assert metric_of(rounds[0], "tar@1e-3") is None, "ten people's pairs do not resolve it"


def test_people_read_metrics_and_points_by_short_names() -> None:
    assert [metric_title(metric) for metric in ("tar@1e-3", "auc", "eer")] == ["TAR@1e-3", "AUC", "EER"]
    assert point_title((("split.clients", 20), ("local_training.steps", 3))) == "clients 20, steps 3"
