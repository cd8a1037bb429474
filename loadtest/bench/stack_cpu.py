"""Where the processor time of a client goes: by the role of the processes and threads of a local stack."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import mean
from typing import Final

from fedface_core.domain.plan import Plan
from fedface_stack.stack import LocalStack
from loadtest.bench.cpu_meter import CpuMeter, CpuSeconds
from loadtest.bench.repetitions import Repeated
from loadtest.bench.stack_rounds import round_seconds, training_rounds

IN_ALL: Final = "in all"
IDLE: Final = "idle cores"
_ROLES: Final = {
    "aggregator": "aggregator",
    "valkey": "Valkey",
    "control": "control, sweep, evaluator",
    "sweep": "control, sweep, evaluator",
    "evaluator": "control, sweep, evaluator",
    "s3": "S3 server",
}
"""The name of a process of the stack → its role. The client worker's processes and threads have several."""


class RoundsWithCpu:
    """Runs plans on a stack, and measures the processor time of their training rounds by role.

    The rounds are measured as one span, from the opening of the first to the end of the last.
    """

    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack
        self._processes = {name: process.pid for name, process in stack.processes.items()}
        self._ms: dict[str, list[dict[str, float]]] = {}

    def mean_round_seconds(self, system: str, plan: Plan) -> float:
        """As `stack_rounds.mean_round_seconds`. The processor time counts for ``system``, of which this is a repetition."""
        with CpuMeter(self._processes) as meter:
            rounds = training_rounds(self._stack, plan)
        seconds = mean(map(round_seconds, rounds))
        assert rounds[-1].finished_at is not None, "a completed run has finished every round"
        span = rounds[0].opened_at.timestamp(), rounds[-1].finished_at.timestamp()
        used = by_role(meter.between(*span)) | {IDLE: meter.idle_between(*span)}
        trained = sum(view.accepted for view in rounds)
        self._ms.setdefault(system, []).append({role: 1000 * each / trained for role, each in used.items()})
        return seconds

    def ms_a_client(self) -> dict[str, dict[str, Repeated]]:
        """System → role → milliseconds of processor time for a client's update; `IN_ALL` is their sum, without `IDLE`."""
        return {
            system: {role: Repeated(values=tuple(each[role] for each in measured)) for role in measured[0]}
            for system, measured in self._ms.items()
        }


def by_role(used: Mapping[str, CpuSeconds]) -> dict[str, float]:
    """Role → seconds, of the processes of a stack by name; last comes `IN_ALL`.

    A client worker is a process that starts those in which clients train, by their main threads, while another thread of
    theirs delivers.
    """
    client = used["client"]
    seconds = {
        "client processes, main thread": client.main_threads,
        "client processes, delivery": client.other_threads,
        "client worker, which starts them": client.own,
    }
    for name, role in _ROLES.items():
        if name in used:
            seconds[role] = seconds.get(role, 0.0) + used[name].total
    assert used.keys() <= {"client", *_ROLES}, "every process has a role"
    return seconds | {IN_ALL: sum(seconds.values())}
