"""The limit: rounds of the bare loop in two processes (see `loadtest.bare`)."""

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
    """``variant`` is the layout: default or channels-last. The processes have their networks before the first moment."""
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
