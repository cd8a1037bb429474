"""A study's jobs are run in processes: only those that are missing, and past those that fail."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from pathlib import Path

import pytest

from fedface_lab.study.grid import expand
from fedface_lab.study.job_results import JobResult, ResultFolder
from fedface_lab.study.pretrained import pretraining_of, run_pretraining
from fedface_lab.study.run_job import run_job
from fedface_lab.study.run_study import FinishedWork, PendingWork, run_pending_work
from fedface_lab.study.study_file import read_study
from fedface_learning.seeding import use_deterministic_torch
from support.finished_study import Finished
from support.tiny_study import NO_PRETRAINING, ONE_POINT, ONE_SEED, write_study


def results_of(folder: Path) -> dict[str, object]:
    """Each result, without the one field that does not follow from its job."""
    results = {path.name: json.loads(path.read_text()) for path in (folder / "jobs").glob("*.json")}
    for result in results.values():
        assert result.pop("seconds") >= 0
    return results


def test_a_finished_study_has_a_result_for_every_job(finished: Finished) -> None:
    folder = ResultFolder(finished.folder)
    jobs = expand(read_study(finished.file), finished.file)
    assert {path.stem for path in (finished.folder / "jobs").glob("*.json")} == {job.digest for job in jobs}
    assert len(list((finished.folder / "networks").iterdir())) == 2
    assert not list(finished.folder.rglob("*.part"))
    for job in jobs:
        result = folder.load(job)
        assert result is not None
        assert (result.plan, result.pretrain) == (job.plan, job.pretrain)
        assert [finished_round.scores is None for finished_round in result.rounds] == [False, True, False, False]
        assert sum(result.before.cosines.genuine) == sum(result.after.cosines.genuine) == 5
        assert (folder.load_embeddings(job) is not None) == (job.seed == 3)


def test_all_arms_of_a_seed_start_from_the_same_network(finished: Finished) -> None:
    results = [JobResult.model_validate_json(path.read_bytes()) for path in (finished.folder / "jobs").glob("*.json")]
    for seed in (3, 5):
        scores = [result.rounds[0].scores for result in results if result.plan.seed == seed]
        assert len(scores) == 6
        assert all(score == scores[0] for score in scores)
    assert results[0].rounds[0].scores is not None


def test_jobs_of_one_digest_are_done_once(tmp_path: Path) -> None:
    file = write_study(tmp_path)
    jobs = expand(read_study(file), file)
    pending = PendingWork.of([*jobs, *jobs], ResultFolder(tmp_path / "out"))
    assert pending.jobs == tuple(jobs)
    assert (len(pending.pretrainings), len(pending)) == (2, 14)


def test_work_is_pending_until_its_file_is_there(finished: Finished, tmp_path: Path) -> None:
    for name in ("jobs", "networks"):
        shutil.copytree(finished.folder / name, tmp_path / name)
    folder = ResultFolder(tmp_path)
    jobs = expand(read_study(finished.file), finished.file)
    assert PendingWork.of(jobs, folder) == PendingWork((), ())
    folder.result(jobs[0]).unlink()
    assert PendingWork.of(jobs, folder) == PendingWork((), (jobs[0],))
    pretraining = pretraining_of(jobs[0])
    assert pretraining is not None
    folder.network(pretraining.digest).unlink()
    assert PendingWork.of(jobs, folder) == PendingWork((pretraining,), (jobs[0],))


def test_results_of_other_people_are_pending_again(tmp_path: Path) -> None:
    file = write_study(tmp_path, NO_PRETRAINING, ONE_SEED, ONE_POINT)
    folder = ResultFolder(tmp_path / "out")
    jobs = expand(read_study(file), file)
    run_job(jobs[0], folder)
    assert PendingWork.of(jobs, folder).jobs == tuple(jobs[1:])
    faces = tmp_path / "faces"
    shutil.copytree(faces / "person-0", faces / "a new person")
    assert PendingWork.of(jobs, folder).jobs == tuple(jobs), "a study must not compare runs of other people"
    shutil.rmtree(faces / "a new person")
    assert PendingWork.of(jobs, folder).jobs == tuple(jobs[1:])
    faces.rename(tmp_path / "elsewhere")
    assert PendingWork.of(jobs, folder).jobs == tuple(jobs[1:]), "nobody knows, and the result can be reported"


def test_results_of_a_version_without_identity_lists_count(tmp_path: Path) -> None:
    file = write_study(tmp_path, NO_PRETRAINING, ONE_SEED, ONE_POINT)
    folder = ResultFolder(tmp_path / "out")
    jobs = expand(read_study(file), file)
    run_job(jobs[0], folder)
    stored = json.loads(folder.result(jobs[0]).read_text())
    del stored["identity_list_sha256"]
    folder.result(jobs[0]).write_text(json.dumps(stored))
    assert PendingWork.of(jobs, folder).jobs == tuple(jobs[1:])


@pytest.mark.slow
def test_a_job_gives_the_same_bytes_in_any_process(finished: Finished, tmp_path: Path) -> None:
    """The finished study was run by two processes, and here one process runs its work, in another order."""
    use_deterministic_torch(1)
    folder = ResultFolder(tmp_path)
    jobs = [job for job in expand(read_study(finished.file), finished.file) if job.seed == 3]
    pretraining = pretraining_of(jobs[0])
    assert pretraining is not None
    run_pretraining(pretraining, folder)
    for job in reversed(jobs):
        run_job(job, folder)
    results = results_of(tmp_path)
    assert results == {name: result for name, result in results_of(finished.folder).items() if name in results}
    files = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 6 + 6 + 1
    for file in files:
        if file.suffix == ".safetensors":
            assert (tmp_path / file).read_bytes() == (finished.folder / file).read_bytes()


@pytest.mark.slow
def test_killed_processes_are_a_failure_with_a_reason(tmp_path: Path) -> None:
    file = write_study(tmp_path, ONE_SEED, NO_PRETRAINING, ("rounds = 3", "rounds = 30"))
    folder = ResultFolder(tmp_path / "out")
    ended: list[FinishedWork] = []

    def kill_after_the_first(finished: FinishedWork) -> None:
        if not ended:
            for process in multiprocessing.active_children():
                process.kill()
        ended.append(finished)

    pending = PendingWork.of(expand(read_study(file), file), folder)
    run_pending_work(pending, folder, 1, kill_after_the_first)
    assert len(ended) == len(pending) == 6
    assert ended[0].failure is None
    assert "a process of the study was killed" in (ended[-1].failure or "")
    done = [finished for finished in ended if not finished.failure]
    assert {finished.work.digest for finished in done} <= {path.stem for path in (tmp_path / "out" / "jobs").glob("*.json")}
