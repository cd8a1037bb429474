"""A job's result is what the simulation of its plan gives."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import Tensor

from fedface_core.domain.plan.merge_patch import apply_merge_patch
from fedface_lab.study.grid import Job, expand
from fedface_lab.study.job_results import JobResult, ResultFolder
from fedface_lab.study.run_job import run_job
from fedface_lab.study.study_file import read_study
from fedface_lab.study.study_results import Group, StudyResults
from fedface_lab.study.tables import summary_markdown
from fedface_learning.data import FaceDataset, open_photographs, split_identities
from fedface_learning.evaluation.cosine_counts import count_cosines
from fedface_learning.evaluation.verification import verify_pairs
from fedface_learning.models.weights import load_network
from fedface_learning.seeding import use_deterministic_torch
from fedface_learning.simulation.simulate import simulate
from support.tiny_study import NO_PRETRAINING, write_study


def test_a_job_is_the_simulation_of_its_plan(tmp_path: Path) -> None:
    use_deterministic_torch(1)
    file = write_study(tmp_path, NO_PRETRAINING)
    folder = ResultFolder(tmp_path / "out")
    job = expand(read_study(file), file)[0]
    run_job(job, folder)
    result = folder.load(job)
    tensors = folder.load_embeddings(job)
    expected = simulate(job.plan)
    assert result is not None
    assert tensors is not None
    assert [finished.aggregation for finished in result.rounds] == [finished.aggregation for finished in expected.rounds]
    for number in (0, 2, 3):
        verification = expected.rounds[number].verification
        assert verification is not None
        assert result.rounds[number].scores == verification.scores
    for number, name, snapshot in ((0, "before_ND", result.before), (3, "after_ND", result.after)):
        again = verify_pairs(tensors[name], tensors["labels_N"], job.plan.far)
        verification = expected.rounds[number].verification
        assert verification is not None
        assert snapshot.roc == verification.roc == again.roc
        assert verification.scores == again.scores
        assert snapshot.cosines == count_cosines(tensors[name], tensors["labels_N"])


def summary_of(file: Path, job: Job, result: JobResult) -> str:
    """The summary of a study of which this job alone has run."""
    group = Group(job.arm, job.point, {job.seed: job}, {job.seed: result})
    return summary_markdown(StudyResults(read_study(file), (group,)))


def test_a_job_with_fused_rounds_says_so_in_its_result_and_in_the_summary(tmp_path: Path) -> None:
    use_deterministic_torch(1)
    seen = ("learning_rate = 0.05}", 'learning_rate = 0.05, losses = "seen"}')
    fused = ('upper_bound = "long"', 'fused = ["no spreadout"]')
    file = write_study(tmp_path, NO_PRETRAINING, seen, fused)
    folder = ResultFolder(tmp_path / "out")
    plain, job = (expand(read_study(file), file)[index] for index in (0, 2))
    for each in (plain, job):
        run_job(each, folder)
    results = [folder.load(each) for each in (plain, job)]
    assert [result.fused for result in results if result] == [False, True]
    assert results[1] is not None
    expected = simulate(job.plan, fused=True)
    assert [finished.aggregation for finished in results[1].rounds] == [done.aggregation for done in expected.rounds]
    summary = summary_of(file, job, results[1])
    assert "*Fused rounds*: each round of no spreadout was computed as one batch" in summary


def test_a_job_that_starts_centred_starts_as_after_round_0_of_a_run_with_centring(tmp_path: Path) -> None:
    use_deterministic_torch(1)
    file = write_study(tmp_path, NO_PRETRAINING, ('upper_bound = "long"', 'centred = ["no spreadout"]'))
    folder = ResultFolder(tmp_path / "out")
    job = next(job for job in expand(read_study(file), file) if job.centred)
    run_job(job, folder)
    result = folder.load(job)
    assert result is not None
    assert result.centred
    centring = apply_merge_patch(job.plan, {"model": {"centring": True}})
    enrolled = simulate(centring, evaluate_at=lambda number: number == 0).rounds[0]
    assert enrolled.verification is not None
    assert result.rounds[0].scores == enrolled.verification.scores
    assert result.rounds[0].aggregation.model_sha256 == enrolled.aggregation.model_sha256
    summary = summary_of(file, job, result)
    assert "*Centred*: no spreadout started from a network whose centre is the mean feature of the clients." in summary


def test_a_job_that_ends_recentred_is_scored_as_after_round_0_of_a_further_run(tmp_path: Path) -> None:
    use_deterministic_torch(1)
    file = write_study(tmp_path, NO_PRETRAINING, ('upper_bound = "long"', 'recentred = ["no spreadout"]'))
    folder = ResultFolder(tmp_path / "out")
    job = next(job for job in expand(read_study(file), file) if job.recentred)
    run_job(job, folder)
    result = folder.load(job)
    tensors = folder.load_embeddings(job)
    assert result is not None
    assert tensors is not None
    trained = simulate(job.plan)
    last = load_network(job.plan.model, trained.model, "the last model")
    further = apply_merge_patch(job.plan, {"model": {"centring": True}})
    enrolled = simulate(further, initial=last, evaluate_at=lambda number: number == 0).rounds[0].verification
    assert enrolled is not None
    assert result.recentred
    assert result.rounds[-1].scores == enrolled.scores
    assert result.after.roc == enrolled.roc == verify_pairs(tensors["after_ND"], tensors["labels_N"], job.plan.far).roc
    assert trained.rounds[0].verification is not None
    assert result.rounds[0].scores == trained.rounds[0].verification.scores
    assert result.rounds[-1].aggregation == trained.rounds[-1].aggregation
    summary = summary_of(file, job, result)
    assert "*Recentred*: no spreadout are scored with the centre that the last model gives the clients." in summary


VALIDATION = ("test = 5\n", "test = 4\nvalidation = 2\n")
CHOOSING = ("score_every = 2\n", 'score_every = 2\nscored_part = "validation"\n')


@pytest.mark.parametrize("changes", [(VALIDATION, CHOOSING), (VALIDATION,)], ids=["choosing", "at the end"])
def test_test_people_are_not_looked_at_while_settings_are_chosen_and_validation_people_not_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: tuple[tuple[str, str], ...]
) -> None:
    use_deterministic_torch(1)
    file = write_study(tmp_path, NO_PRETRAINING, *changes)
    job = expand(read_study(file), file)[0]
    faces = open_photographs(job.plan)
    looked_at: set[str] = set()
    images = type(faces).images

    def noted_images(self: FaceDataset, identity: str) -> Tensor:
        looked_at.add(identity)
        return images(self, identity)

    monkeypatch.setattr(type(faces), "images", noted_images)
    folder = ResultFolder(tmp_path / "out")
    run_job(job, folder)
    split = split_identities(faces.identities, job.plan.split)
    chooses = CHOOSING in changes
    assert looked_at.isdisjoint(split.test if chooses else split.validation)
    assert looked_at >= set(split.validation if chooses else split.test)
    result = folder.load(job)
    assert result is not None
    assert result.scored_part == ("validation" if chooses else "test")
    scored = [finished.number for finished in result.rounds if finished.scores]
    assert scored == ([0, 2, 3] if chooses else [0, 3]), "test people are scored before, and once at the end"
    people, images_each = (2, 2) if chooses else (4, 2)
    assert result.rounds[0].scores is not None
    assert result.rounds[0].scores.genuine_pairs == people * images_each * (images_each - 1) // 2
