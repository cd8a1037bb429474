"""Waiting for a run that is measured. It has to complete, since the times of any other run mean something else."""

from __future__ import annotations

import math
import time
from typing import Final

from fedface_cli.api_client import ControlApi
from fedface_core.domain.errors import FedFaceError
from fedface_core.domain.run import ENDED, RunPhase
from fedface_stack.stack import LocalStack

POLL_SECONDS: Final = 0.5
"""Between two requests for the state of a run: long enough that they do not slow it down."""


class RunDidNotCompleteError(FedFaceError):
    """A run that was measured failed, took too long, or had clients that failed."""

    title = "Benchmark"


def wait_for_completion(stack: LocalStack, api: ControlApi, run_id: str, deadline: float = math.inf) -> None:
    """Return once the run has completed.

    `RunDidNotCompleteError` if the run ends otherwise, or if it has not ended at ``deadline``, a moment of
    `time.monotonic`; then the run is cancelled. `StackError` if a process of the stack has ended.
    """
    while (run := api.run(run_id)).phase not in ENDED:
        stack.check()
        if time.monotonic() > deadline:
            api.cancel(run_id)  # so that the workers end quickly
            raise RunDidNotCompleteError(f"the run took longer than its limit; it is in round {run.round}")
        time.sleep(POLL_SECONDS)
    if run.phase is not RunPhase.COMPLETED:
        raise RunDidNotCompleteError(f"the run is {run.phase}: {run.failure}")
