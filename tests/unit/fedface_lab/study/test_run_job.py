"""A job's result is what the simulation of its plan gives."""

from __future__ import annotations

from pathlib import Path

from fedface_lab.study.grid import expand
from fedface_lab.study.job_results import ResultFolder
from fedface_lab.study.run_job import run_job
from fedface_lab.study.study_file import read_study
from fedface_lab.study.study_results import Group, StudyResults
from fedface_lab.study.tables import summary_markdown
from fedface_learning.evaluation.cosine_counts import count_cosines
from fedface_learning.evaluation.verification import verify_pairs
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
    group = Group(job.arm, job.point, {job.seed: job}, {job.seed: results[1]})
    summary = summary_markdown(StudyResults(read_study(file), (group,)))
    assert "*Fused rounds*: each round of no spreadout was computed as one batch" in summary
