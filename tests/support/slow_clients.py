"""Slow clients in the services of one process: their tasks go back to the end of the queue while other tasks go on."""

from __future__ import annotations

import random

from fedface_core.domain.commands import TrainClients
from fedface_core.domain.round import RoundPhase
from support.in_process import InProcess

MAX_LAPS = 7


def make_slow(services: InProcess, seed: int) -> None:
    """Have each client's task of a started run go back to the queue a few times, drawn by ``seed``, before it trains.

    A task that finds no open round goes back too, because in this harness nothing else happens while a task waits.
    """
    ledger = services.ports.ledger
    train = services.handlers[TrainClients]
    laps: dict[tuple[str, int], int] = {}

    def train_slowly(command: TrainClients, correlation_id: str) -> None:
        task = (command.clients[0], command.round)
        laps.setdefault(task, random.Random(f"{seed}/{task}").randrange(MAX_LAPS + 1))
        current = ledger.load_round(command.run_id, ledger.load(command.run_id).round or 0)
        if laps[task] > 0 or current.phase is not RoundPhase.OPEN:
            laps[task] -= 1
            services.publisher.published.append((command, correlation_id))
        else:
            train(command, correlation_id)

    services.handlers[TrainClients] = train_slowly
