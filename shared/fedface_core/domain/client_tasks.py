"""How a round's clients are dealt out to tasks: large tasks first, single clients last."""

from __future__ import annotations

from collections.abc import Sequence

from fedface_core.domain.plan import Plan

# So many workers get an even share of the clients. A round of more loses a second at most, since no task keeps its clients
# for longer: it hands back whom it does not come to.
_WORKERS = 8
# What a message costs is shared by so many clients; more would save nothing that can be measured.
_MOST_CLIENTS = 50


def split_into_tasks(plan: Plan, clients: Sequence[str]) -> list[tuple[str, ...]]:
    """``clients`` in slices, in their order: one slice is one task.

    Guided self-scheduling (Polychronopoulos and Kuck, IEEE Transactions on Computers 1987): each slice is a fixed share of
    what is left. So messages are few, and at the end of the round no worker is left with many clients while others idle.

    Where devices are simulated each client is a task of its own, since one that waits occupies its worker, and those behind
    it would be slow with it; and asynchronously, since there they may train the models of different rounds.
    """
    if plan.devices.simulated or plan.aggregation.is_asynchronous:
        return [(client,) for client in clients]
    slices, dealt = [], 0
    while dealt < len(clients):
        size = min(max(1, (len(clients) - dealt) // _WORKERS), _MOST_CLIENTS)
        slices.append(tuple(clients[dealt : dealt + size]))
        dealt += size
    return slices
