"""A process of the bare loop that ends is noticed, and the others end, too."""

from __future__ import annotations

import os
import signal
from multiprocessing import active_children
from pathlib import Path

import psutil
import pytest

from loadtest.bare.rounds import BareLoopEndedError, BareRounds
from loadtest.bench.plan_workload import enrolled_workload
from support.tiny_run import tiny_plan, write_faces


@pytest.mark.slow
def test_a_process_that_was_killed_is_noticed_and_the_others_end(tmp_path: Path) -> None:
    workload = enrolled_workload(tiny_plan(write_faces(tmp_path)))
    others = {*active_children()}
    with BareRounds(workload, 2, channels_last=False) as bare:
        workers = [psutil.Process(worker.pid) for worker in {*active_children()} - others]
        assert len(workers) == 2
        os.kill(workers[0].pid, signal.SIGKILL)
        with pytest.raises(BareLoopEndedError):
            bare.round()
    assert not any(worker.is_running() for worker in workers)
