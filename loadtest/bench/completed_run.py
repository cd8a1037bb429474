"""A run that is measured has to complete: anything else measures something else."""

from __future__ import annotations

import math
import time
from typing import Final

from fedface_cli.api_client import ControlApi
from fedface_core.domain.errors import FedFaceError
from fedface_core.domain.run import ENDED, RunPhase
from fedface_stack.stack import LocalStack

LOOK_SECONDS: Final = 0.5
"""Between two looks at a run: seldom, so that to look costs nothing."""


class RunDidNotCompleteError(FedFaceError):
    """A run that was to be measured failed, took longer than it was given, or some of its clients failed."""

    title = "Benchmark"


def wait_for_completion(stack: LocalStack, api: ControlApi, run_id: str, deadline: float = math.inf) -> None:
    """Return once the run has completed.

    `RunDidNotCompleteError` where it ends otherwise, or has not ended at ``deadline``, a moment of `time.monotonic`: then it
    is cancelled. `StackError` where a process of the stack has ended.
    """
    while (run := api.run(run_id)).phase not in ENDED:
        stack.check()
        if time.monotonic() > deadline:
            api.cancel(run_id)  # so that the workers end quickly
            raise RunDidNotCompleteError(f"the run took longer than it was given; it is in round {run.round}")
        time.sleep(LOOK_SECONDS)
    if run.phase is not RunPhase.COMPLETED:
        raise RunDidNotCompleteError(f"the run is {run.phase}: {run.failure}")
