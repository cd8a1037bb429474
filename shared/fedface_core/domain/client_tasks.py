"""How the clients of a round are split into tasks: large tasks first, single clients last (ADR 11)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fedface_core.domain.plan import Plan

WORKERS = 8
"""Up to this many workers get an even share of the clients. With more workers a round loses one second at most: a task
publishes its remaining clients again after a second."""
TIME_SLICE_SECONDS: Final = 1.0
"""So long a task works before it hands its other clients back: long enough that the cost of a message hardly counts, and
short compared with the grace period of a worker that stops."""
# The largest task. Larger tasks would save no message cost that can be measured.
_MOST_CLIENTS = 50


def split_into_tasks(plan: Plan, clients: Sequence[str]) -> list[tuple[str, ...]]:
    """The slices of ``clients``, in order; the clients of one slice are one task.

    Guided self-scheduling (Polychronopoulos and Kuck, IEEE Transactions on Computers 1987): each slice is a fixed share of
    the remaining clients. So there are few messages, and at the end of a round no worker has many clients while others idle.

    If clients train several at once, a task has whole groups of them: a group that lacks clients takes as long.

    Each client is a task of its own if the plan simulates devices, since a device that waits has its task come back later;
    and if the run is asynchronous, since its clients may train models of different rounds.
    """
    if plan.devices.simulated or plan.aggregation.is_asynchronous:
        return [(client,) for client in clients]
    slices = []
    start = 0
    together = plan.local_training.vectorised_clients
    most = max(_MOST_CLIENTS // together, 1) * together
    while start < len(clients):
        share = (len(clients) - start) // WORKERS
        size = min(max(together, share // together * together), most)
        slices.append(tuple(clients[start : start + size]))
        start += size
    return slices
