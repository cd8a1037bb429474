"""`fedface study …`: what is listed, what is refused, and what is written again."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fedface_lab.study.run_study import FinishedWork, PendingWork
from support.command_line import Invoke
from support.finished_study import Finished
from support.tiny_study import ONE_POINT, ONE_SEED, write_study


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


@pytest.mark.long
def test_jobs_that_fail_are_named_and_stop_no_others(
    fedface: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fedface_lab.study.plots.draw_all", lambda *_: [])  # drawing takes seconds
    broken = "[arms.sparse]\ndata.images_per_identity = 1\n[arms.wild]\npretrain.learning_rate = 1e9\n"
    file = write_study(tmp_path, ONE_SEED, ONE_POINT, ("[arms.long]", f"{broken}\n[arms.long]"))
    code, out, err = fedface("study", "run", str(file), "-o", str(tmp_path / "out"))
    said = " ".join(err.split())
    assert (code, out) == (1, f"{tmp_path / 'out' / 'summary.md'}\n")
    assert "failed sparse, split.clients=4, seed 3: verification needs two identities and two images of one of them" in said
    assert "failed wild, split.clients=4, seed 3: its pre-training" in said
    assert "failed: pre-training diverged at step" in said
    assert "error: 3 pieces of work failed; the others are done, and will not be repeated" in said
    assert len(list((tmp_path / "out" / "jobs").glob("*.json"))) == 3
    lines = (tmp_path / "out" / "summary.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["arm", "fedface", "no spreadout", "long"]


def test_results_cannot_go_where_a_file_is(fedface: Invoke, tmp_path: Path) -> None:
    file = write_study(tmp_path)
    code, _, err = fedface("study", "run", str(file), "-o", str(file))
    assert code == 2
    assert f"cannot write {file}: " in err


def test_tables_and_plots_are_made_again_from_results_alone(fedface: Invoke, finished: Finished, tmp_path: Path) -> None:
    for name in ("study.toml", "jobs"):
        source = finished.folder / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    assert fedface("study", "report", str(tmp_path))[0] == 0
    assert fedface("study", "plot", str(tmp_path))[0] == 0
    drawn = [path.relative_to(finished.folder).as_posix() for path in (finished.folder / "plots").iterdir()]
    for name in ("summary.csv", "summary.md", "results.csv", "plots.md", *drawn):
        assert (tmp_path / name).read_bytes() == (finished.folder / name).read_bytes()


def test_a_folder_without_results_is_refused(fedface: Invoke, finished: Finished, tmp_path: Path) -> None:
    code, _, err = fedface("study", "report", str(tmp_path))
    assert code == 2
    assert "holds no study" in err
    shutil.copy(finished.folder / "study.toml", tmp_path)
    code, _, err = fedface("study", "plot", str(tmp_path))
    assert code == 2
    assert "holds no result yet of the study tiny" in " ".join(err.split())


def test_a_damaged_result_is_named(fedface: Invoke, finished: Finished, tmp_path: Path) -> None:
    shutil.copytree(finished.folder, tmp_path / "out")
    damaged = next((tmp_path / "out" / "jobs").glob("*.json"))
    damaged.write_text(damaged.read_text()[:-9])
    code, _, err = fedface("study", "report", str(tmp_path / "out"))
    assert code == 2
    assert f"{damaged.name} is not a result of this study: remove it" in " ".join(err.split())


def test_in_json_a_study_has_its_jobs_its_gains_and_its_files(
    fedface: Invoke, finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    shutil.copytree(finished.folder, folder)
    monkeypatch.setattr("fedface_lab.study.plots.draw_all", lambda *_: [folder / "plots" / "gain.png"])
    run = ("study", "run", str(finished.file), "-o", str(folder), "--json")
    code, out, err = fedface(*run)
    assert (code, "12 jobs, 12 done" in err) == (0, True)
    told = json.loads(out)
    assert (told["folder"], told["plots"]) == (str(folder), [str(folder / "plots" / "gain.png")])
    assert {job["state"] for job in told["jobs"]} == {"done"}
    assert len({job["digest"] for job in told["jobs"]}) == len(told["jobs"]) == 12
    assert [Path(file).name for file in told["report"]["files"]] == ["results.csv", "summary.csv", "summary.md"]
    with (folder / "summary.csv").open() as file:
        lines = [*csv.DictReader(file)]
    assert [
        {name: "" if each is None else str(each) for name, each in line.items()} for line in told["report"]["summary"]
    ] == lines
    assert json.loads(fedface("study", "report", str(folder), "--json")[1]) == told["report"]
    assert json.loads(fedface("study", "plot", str(folder), "--json")[1]) == {"plots": told["plots"]}
    assert json.loads(fedface(*run, "--dry-run")[1]) == {"folder": str(folder), "jobs": told["jobs"]}


def test_a_job_that_fails_is_so_in_the_document_too(
    fedface: Invoke, finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_all(pending: PendingWork, _folder: object, _processes: int, show: Callable[[FinishedWork], None]) -> None:
        for work in pending.jobs:
            show(FinishedWork(work, "no memory"))

    monkeypatch.setattr("fedface_lab.study.run_study.run_pending_work", fail_all)
    code, out, err = fedface("study", "run", str(finished.file), "-o", str(tmp_path), "--json")
    told = json.loads(out)
    assert (code, told["report"], {job["state"] for job in told["jobs"]}) == (1, None, {"failed"})
    assert json.loads(err[err.index("\n{\n") :])["detail"].startswith("12 pieces of work failed")
