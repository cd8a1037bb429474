"""A study that is stopped, by whatever signal, leaves whole results and no process, and can go on."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedface_lab.study.grid import Job, expand
from fedface_lab.study.job_results import ResultFolder
from fedface_lab.study.run_study import PendingWork
from fedface_lab.study.study_file import read_study
from fedface_stack.folder_lock import folder_locked
from support.command_line import Invoke
from support.tiny_study import NO_PRETRAINING, ONE_POINT, ONE_SEED, write_study

pytestmark = pytest.mark.long

PATIENCE = 240  # seconds; a busy machine takes a minute to import torch in both processes of a study


def endless_study(folder: Path) -> Path:
    """A study of two jobs: one takes a moment, and the second one would take days."""
    return write_study(
        folder,
        NO_PRETRAINING,
        ONE_SEED,
        ONE_POINT,
        ('upper_bound = "long"\n', ""),
        ("score_every = 2", "score_every = 1000000"),
        ('[arms."no spreadout"]\nspreadout.steps = 0\n', "[arms.endless]\nrounds = 1000000\n"),
        ('[arms.long]\n"local_training.steps" = 3\n', ""),
    )


def jobs_of(file: Path) -> list[Job]:
    return expand(read_study(file), file)


@contextlib.contextmanager
def started(file: Path, output: Path) -> Iterator[subprocess.Popen[str]]:
    """`fedface study run` in a session of its own; none of its processes outlives the block."""
    command = [sys.executable, "-m", "fedface_cli.main", "study", "run", str(file), "-o", str(output)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as study:
        try:
            yield study
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(study.pid, signal.SIGKILL)


def wait_for_a_result(study: subprocess.Popen[str], output: Path) -> None:
    limit = time.monotonic() + PATIENCE
    while not list(output.glob("jobs/*.json")):
        assert study.poll() is None, study.communicate()[1]
        assert time.monotonic() < limit, "no result in time"
        time.sleep(0.02)


def test_an_interrupted_study_leaves_whole_results_and_goes_on(tmp_path: Path) -> None:
    file = endless_study(tmp_path)
    quick, endless = jobs_of(file)
    by_ctrl_c = tmp_path / "ctrl-c"
    by_termination = tmp_path / "termination"
    with started(file, by_ctrl_c) as first, started(file, by_termination) as second:
        wait_for_a_result(first, by_ctrl_c)
        os.killpg(first.pid, signal.SIGINT)  # as a terminal does: to all processes
        wait_for_a_result(second, by_termination)
        second.send_signal(signal.SIGTERM)
        said = [study.communicate(timeout=PATIENCE)[1] for study in (first, second)]  # ends when no process is left
        assert (first.returncode, second.returncode) == (130, 128 + signal.SIGTERM)
    for output, text in zip((by_ctrl_c, by_termination), said, strict=True):
        assert "Traceback" not in text
        folder = ResultFolder(output)
        result = folder.load(quick)
        assert result is not None
        assert len(result.rounds) == 4
        assert (folder.load_embeddings(quick) or {}).keys() == {"before_ND", "after_ND", "labels_N"}
        assert PendingWork.of([quick, endless], folder) == PendingWork((), (endless,))


def test_a_killed_study_leaves_no_process_behind_and_a_second_one_is_refused(fedface: Invoke, tmp_path: Path) -> None:
    file = endless_study(tmp_path)
    output = tmp_path / "out"
    with started(file, output) as study:
        wait_for_a_result(study, output)
        code, _, err = fedface("study", "run", str(file), "-o", str(output))
        assert code == 2
        assert f"another `fedface study run` is at work in {output}: wait for it" in err
        study.kill()
        study.communicate(timeout=PATIENCE)  # ends when no process is left that could write there
    with folder_locked(ResultFolder(output).lock(), "still held"):
        pass
