"""Studies are run: in parallel, resumed, and past what fails."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fedface_lab.study.grid import expand
from fedface_lab.study.job_results import JobResult, ResultFolder
from fedface_lab.study.run_job import cosine_counts, run_job
from fedface_lab.study.run_study import FinishedWork, PendingWork, run_pending_work
from fedface_lab.study.study_file import read_study
from fedface_learning.evaluation.verification import verify_pairs
from fedface_learning.formats.codec import decode_tensors
from fedface_learning.seeding import use_deterministic_torch
from fedface_learning.simulation.simulate import simulate
from fedface_stack.folder_lock import folder_locked
from support.command_line import Invoke
from support.finished_study import Finished, run
from support.tiny_study import write_study

NO_PRETRAINING = ("[pretrain]\nepochs = 2\nbatch_size = 4\n", "")
ONE_SEED, ONE_POINT = ("seeds = [3, 5]", "seeds = [3]"), ("clients = [2, 4]", "clients = [4]")


def results_of(folder: Path) -> dict[str, object]:
    """Each result without the one thing in it that does not follow from its job."""
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


def test_a_job_is_the_simulation_of_its_plan(tmp_path: Path) -> None:
    use_deterministic_torch(1)
    file, folder = write_study(tmp_path, NO_PRETRAINING), ResultFolder(tmp_path / "out")
    job = expand(read_study(file), file)[0]
    run_job(job, folder)
    result, tensors, expected = folder.load(job), folder.load_embeddings(job), simulate(job.plan)
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
        assert snapshot.cosines == cosine_counts(tensors[name], tensors["labels_N"])


def test_all_arms_of_a_seed_start_from_the_same_network(finished: Finished) -> None:
    results = [_result(path) for path in (finished.folder / "jobs").glob("*.json")]
    for seed in (3, 5):
        scores = [result.rounds[0].scores for result in results if result.plan.seed == seed]
        assert len(scores) == 6
        assert all(score == scores[0] for score in scores)
    assert results[0].rounds[0].scores is not None


def _result(path: Path) -> JobResult:
    return JobResult.model_validate_json(path.read_bytes())


def test_one_process_gives_the_same_to_the_byte(finished: Finished, tmp_path: Path) -> None:
    assert run(finished.file, tmp_path / "alone") == 0
    assert results_of(tmp_path / "alone") == results_of(finished.folder)
    for name in ("results.csv", "summary.csv", "summary.md", "plots.md"):
        assert (tmp_path / "alone" / name).read_bytes() == (finished.folder / name).read_bytes()
    for path in [*finished.folder.rglob("*.safetensors"), *(finished.folder / "plots").glob("*.p*")]:
        assert (tmp_path / "alone" / path.relative_to(finished.folder)).read_bytes() == path.read_bytes()


def test_what_is_done_is_not_done_again(finished: Finished, tmp_path: Path) -> None:
    shutil.copytree(finished.folder, tmp_path / "out")
    files = sorted((tmp_path / "out" / "jobs").glob("*.json"))
    files[0].unlink()
    ages = {path: path.stat().st_mtime_ns for path in files[1:]}
    assert run(finished.file, tmp_path / "out") == 0
    assert {path: path.stat().st_mtime_ns for path in files[1:]} == ages
    assert results_of(tmp_path / "out") == results_of(finished.folder)


def test_a_dry_run_lists_the_jobs_and_runs_none(fedface: Invoke, finished: Finished, tmp_path: Path) -> None:
    for folder, state in ((tmp_path / "none", "missing"), (finished.folder, "done")):
        code, out, err = fedface("study", "run", str(finished.file), "-o", str(folder), "--dry-run")
        assert code == 0
        assert len(out.splitlines()) == 12
        assert all(line.split()[1] == state for line in out.splitlines())
        assert "no spreadout, split.clients=4, seed 5" in out
        assert "12 jobs" in err
    assert "12 to run after 2 pre-trainings" in fedface(
        "study", "run", str(finished.file), "-o", str(tmp_path / "none"), "--dry-run"
    )[2].replace("\n", " ")
    assert not (tmp_path / "none").exists()


def test_jobs_that_fail_are_named_and_stop_no_others(fedface: Invoke, tmp_path: Path) -> None:
    broken = "[arms.sparse]\ndata.images_per_identity = 1\n[arms.wild]\npretrain.learning_rate = 1e30\n"
    file = write_study(tmp_path, ONE_SEED, ONE_POINT, ("[arms.long]", f"{broken}\n[arms.long]"))
    code, _, err = fedface("study", "run", str(file), "-o", str(tmp_path / "out"))
    said = " ".join(err.split())
    assert code == 1
    assert "failed sparse, split.clients=4, seed 3: verification needs two identities and two images of one of them" in said
    assert "failed wild, split.clients=4, seed 3: its pre-training" in said
    assert "failed: pre-training diverged at step" in said
    assert "error: 3 pieces of work failed; the others are done, and will not be repeated" in said
    assert len(list((tmp_path / "out" / "jobs").glob("*.json"))) == 3
    lines = (tmp_path / "out" / "summary.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["arm", "fedface", "no spreadout", "long"]


def test_killed_processes_are_a_failure_with_a_reason(tmp_path: Path) -> None:
    file = write_study(tmp_path, ONE_SEED, NO_PRETRAINING, ("rounds = 3", "rounds = 30"))
    folder, ended = ResultFolder(tmp_path / "out"), list[FinishedWork]()

    def kill_after_the_first(one: FinishedWork) -> None:
        if not ended:
            for process in multiprocessing.active_children():
                process.kill()
        ended.append(one)

    agenda = PendingWork.of(expand(read_study(file), file), folder)
    run_pending_work(agenda, folder, 1, kill_after_the_first)
    assert len(ended) == len(agenda) == 6
    assert ended[0].failure is None
    assert "a process of the study was killed" in (ended[-1].failure or "")
    done = [one for one in ended if not one.failure]
    assert {one.work.digest for one in done} <= {path.stem for path in (tmp_path / "out" / "jobs").glob("*.json")}


def started(file: Path, output: Path) -> subprocess.Popen[str]:
    """`fedface study run` in a session of its own, by two processes; it has a first result."""
    command = [sys.executable, "-m", "fedface_cli.main", "study", "run", str(file), "-o", str(output), "-j", "2"]
    study = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while not list(output.glob("jobs/*.json")):
        assert study.poll() is None, study.communicate()[1]
        time.sleep(0.02)
    return study


def test_a_killed_study_leaves_no_process_behind_and_a_second_one_is_refused(fedface: Invoke, tmp_path: Path) -> None:
    file = write_study(tmp_path, NO_PRETRAINING, ("rounds = 3", "rounds = 600"))
    study = started(file, tmp_path / "out")
    try:
        code, _, err = fedface("study", "run", str(file), "-o", str(tmp_path / "out"))
        assert code == 2
        assert f"another `fedface study run` is at work in {tmp_path / 'out'}: wait for it" in err
        study.kill()
        study.communicate(timeout=30)  # ends where no process is left that could write there
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(study.pid, signal.SIGKILL)
    with folder_locked(ResultFolder(tmp_path / "out").lock(), "still held"):
        pass


def test_results_cannot_go_where_a_file_is(fedface: Invoke, tmp_path: Path) -> None:
    file = write_study(tmp_path)
    code, _, err = fedface("study", "run", str(file), "-o", str(file))
    assert code == 2
    assert f"cannot write {file}: " in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_study_leaves_whole_results_and_goes_on(tmp_path: Path, number: int) -> None:
    file = write_study(tmp_path, NO_PRETRAINING, ("rounds = 3", "rounds = 600"))
    study = started(file, tmp_path / "out")
    os.killpg(study.pid, number) if number == signal.SIGINT else study.send_signal(number)
    _, err = study.communicate(timeout=60)
    assert study.returncode == (130 if number == signal.SIGINT else 128 + number)
    assert "Traceback" not in err
    done = list((tmp_path / "out" / "jobs").glob("*.json"))
    assert 1 <= len(done) < 12
    for path in done:
        assert len(_result(path).rounds) == 601
    for path in (tmp_path / "out" / "jobs").glob("*.safetensors"):
        assert set(decode_tensors(path.read_bytes())[0]) == {"before_ND", "after_ND", "labels_N"}
    jobs = expand(read_study(file), file)
    assert len(PendingWork.of(jobs, ResultFolder(tmp_path / "out"))) == 12 - len(done)
