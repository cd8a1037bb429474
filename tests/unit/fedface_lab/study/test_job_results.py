"""A result folder gives a job's result, or says that there is none or that it is damaged."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fedface_core.domain.errors import InvalidInputError
from fedface_lab.study.grid import expand
from fedface_lab.study.job_results import ResultFolder
from fedface_lab.study.study_file import read_study
from support.finished_study import Finished


def test_a_job_without_a_file_has_no_result_and_a_damaged_file_is_named(finished: Finished, tmp_path: Path) -> None:
    job = expand(read_study(finished.file), finished.file)[0]
    folder = ResultFolder(tmp_path)
    assert folder.load(job) is None
    assert folder.load_embeddings(job) is None
    shutil.copytree(finished.folder / "jobs", tmp_path / "jobs")
    assert folder.load(job) == ResultFolder(finished.folder).load(job)
    folder.result(job).write_text(folder.result(job).read_text()[:-9])
    with pytest.raises(InvalidInputError, match=rf"{job.digest}\.json is not a result of this study: remove it"):
        folder.load(job)
