"""Jobs share a pre-trained network exactly if they would train the same one."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedface_core.domain.errors import InvalidInputError
from fedface_lab.study.grid import Job, expand
from fedface_lab.study.job_results import ResultFolder
from fedface_lab.study.pretrained import pretraining_of, run_pretraining, starting_network
from fedface_lab.study.study_file import read_study
from fedface_learning.models import initial_network
from fedface_learning.models.weights import encode_network
from support.tiny_study import NO_PRETRAINING, write_study


def jobs_of(path: Path) -> list[Job]:
    return expand(read_study(path), path)


def test_jobs_share_a_pretraining_exactly_where_it_is_the_same(tmp_path: Path) -> None:
    def digests(*changes: tuple[str, str]) -> set[str]:
        return {start.digest for job in jobs_of(write_study(tmp_path, *changes)) if (start := pretraining_of(job))}

    shared = digests()
    assert len(shared) == 2, "one for each split seed, whatever the arm and the number of clients"
    assert digests(("steps = 0", "steps = 0\ndata.images_per_client = 1")) == shared
    assert len(digests(("steps = 0", "steps = 0\npretrain.epochs = 1"))) == 4
    assert digests(('fields = ["seed", ', 'fields = ["pretrain.seed", ')).isdisjoint(shared)
    assert not digests(NO_PRETRAINING)


def test_too_few_people_are_refused_before_anything_runs(tmp_path: Path) -> None:
    path = write_study(tmp_path, ("[2, 4]", "[2, 7]"))
    complaint = (
        "fedface, split.clients=7, seed 3: split: 3 public + 7 clients + 5 test + 0 validation are 15 identities.* has 14"
    )
    with pytest.raises(InvalidInputError, match=complaint.replace("+", r"\+")):
        [pretraining_of(job) for job in jobs_of(path)]


def test_a_job_starts_from_its_pretrained_network_or_its_plans_weights(tmp_path: Path) -> None:
    folder = ResultFolder(tmp_path / "out")
    job = jobs_of(write_study(tmp_path))[0]
    pretraining = pretraining_of(job)
    assert pretraining is not None
    run_pretraining(pretraining, folder)
    stored = folder.network(pretraining.digest)
    assert [path.name for path in stored.parent.iterdir()] == [stored.name], "no checkpoint is left"
    assert encode_network(starting_network(job, folder)) == stored.read_bytes()
    untrained = encode_network(initial_network(job.plan.model, job.plan.seed))
    assert stored.read_bytes() != untrained
    assert encode_network(starting_network(jobs_of(write_study(tmp_path, NO_PRETRAINING))[0], folder)) == untrained
