"""A worker ends, with the reason, if a part of it is lost that Celery does not look at."""

from __future__ import annotations

import subprocess
import sys

import pytest

# In a process of its own: Celery's signals are connected for ever, and the worker forks. A few lines stand for Celery, and
# end at SIGTERM as it does.
WORKER = """
import os, signal, sys, threading, time
from billiard.context import Process
from celery.signals import worker_process_init, worker_ready
from fedface_core.runtime.exit_message import exit_message
from fedface_core.runtime.worker_end import WorkerEnd

asked = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: asked.set())
end = WorkerEnd()

def fail():
    raise ValueError("torch is too old")

def fails_when_ready(_):
    fail()

def beat_is_killed():
    beat = Process(target=time.sleep, args=(60,), name="Beat")
    beat.start()
    end.call_when_ready([end.watch_beat], asked)
    worker_ready.send(None)
    os.kill(beat.pid, signal.SIGKILL)

def a_process_cannot_be_prepared():
    end.prepare_each_process(fail)
    if (child := os.fork()) == 0:
        worker_process_init.send(None)
        os._exit(0)  # it would take tasks
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1

def a_call_fails():
    end.call_when_ready([fails_when_ready], asked)
    worker_ready.send(None)

def nothing_fails():
    beat = Process(target=time.sleep, args=(60,), name="Beat")
    beat.start()
    end.prepare_each_process(lambda: None)
    end.call_when_ready([end.watch_beat], asked)
    worker_ready.send(None)
    worker_process_init.send(None)
    assert not asked.wait(0.3)
    asked.set()
    os.kill(beat.pid, signal.SIGKILL)

with exit_message("control"):
    globals()[sys.argv[1]]()
    assert asked.wait(20), "the worker lives on"
    end.require_none()
"""


@pytest.mark.parametrize(
    ("lost", "reason"),
    [
        ("beat_is_killed", "control: the process that sends the periodic tasks has ended"),
        ("a_process_cannot_be_prepared", "control: a process of this worker could not be prepared; the log says why"),
        ("a_call_fails", "ValueError: torch is too old"),
    ],
)
def test_the_worker_ends_with_the_reason(lost: str, reason: str) -> None:
    command = [sys.executable, "-c", WORKER, lost]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, reason)
    assert ("worker_process_failed" in done.stdout) == (lost == "a_process_cannot_be_prepared")


def test_a_worker_that_loses_nothing_ends_without_an_error() -> None:
    command = [sys.executable, "-c", WORKER, "nothing_fails"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
