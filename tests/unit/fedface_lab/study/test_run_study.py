"""A study's jobs are run in processes: only those that are missing, and past those that fail."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from pathlib import Path

from fedface_lab.study.grid import Job, expand
from fedface_lab.study.job_results import JobResult, ResultFolder
from fedface_lab.study.pretrained import Pretraining, pretraining_of
from fedface_lab.study.run_study import FinishedWork, PendingWork, run_pending_work
from fedface_lab.study.study_file import read_study
from support.finished_study import Finished
from support.tiny_study import NO_PRETRAINING, ONE_SEED, write_study


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


def test_one_process_does_what_is_missing_and_gives_the_same_bytes(finished: Finished, tmp_path: Path) -> None:
    """The finished study was run by two processes: what a job gives must not depend on the process that runs it."""
    for name in ("jobs", "networks"):
        shutil.copytree(finished.folder / name, tmp_path / name)
    folder = ResultFolder(tmp_path)
    jobs = expand(read_study(finished.file), finished.file)
    missing = [job for job in jobs if job.seed == 3]
    network = folder.network(_pretraining_of(missing[0]).digest)
    for job in missing:
        folder.result(job).unlink()
        folder.embeddings(job).unlink()
    network.unlink()
    ages = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    pending = PendingWork.of(jobs, folder)
    assert pending.jobs == tuple(missing)
    assert [pretraining.digest for pretraining in pending.pretrainings] == [network.stem]
    ended: list[FinishedWork] = []
    run_pending_work(pending, folder, 1, ended.append)
    assert [finished_work.failure for finished_work in ended] == [None] * 7
    assert {path: path.stat().st_mtime_ns for path in ages} == ages
    assert results_of(tmp_path) == results_of(finished.folder)
    tensors = list(finished.folder.rglob("*.safetensors"))
    assert len(tensors) == 2 + 6
    for path in tensors:
        assert (tmp_path / path.relative_to(finished.folder)).read_bytes() == path.read_bytes()


def _pretraining_of(job: Job) -> Pretraining:
    pretraining = pretraining_of(job)
    assert pretraining is not None
    return pretraining


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
