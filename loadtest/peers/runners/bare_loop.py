"""The bare loop in two processes, which is the limit of all systems; `loadtest.bare` says what it is."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from torch import Tensor

from loadtest.bare.rounds import BareRounds
from loadtest.bare.workload import read_workload
from loadtest.peers.runner_result import RunnerResult

PROCESSES: Final = 2


def run(path: Path, rounds: int, variant: str) -> RunnerResult:
    """Run the bare loop in the layout ``variant``, default or channels-last. Its processes start before the first moment."""
    assert variant in ("default", "channels-last")
    first_model: dict[str, Tensor] = {}
    with BareRounds(read_workload(path), PROCESSES, channels_last=variant == "channels-last") as bare:
        moments = [time.time()]
        for _ in range(rounds):
            bare.round()
            moments.append(time.time())
            if not first_model:
                first_model.update({name: tensor.clone() for name, tensor in bare.model.items()})
    return RunnerResult(tuple(moments), first_model)
