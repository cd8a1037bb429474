"""A run at each moment of its life: after one step, after two, and so on to its end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fedface_core.adapters.memory import MemoryLedger
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import RunPhase
from support.in_process import InProcess


def moments(plan: Plan, most_steps: int = 100) -> Iterator[tuple[InProcess, str]]:
    """New services after each of a run's steps in turn, and the run's id. A run must have fewer than ``most_steps``."""
    for steps in range(1, most_steps):
        services = InProcess(plan)
        run_id = services.start()
        for _ in range(steps):
            if services.ports.ledger.load(run_id).phase is RunPhase.COMPLETED:
                return
            services.step()
        yield services, run_id
    raise AssertionError("the run never came to its end")


def lose_ledger(services: InProcess) -> None:
    """All that Redis holds is gone, messages too, and every process starts anew."""
    services.ports = replace(services.ports, ledger=MemoryLedger(services.clock))
    services.publisher.published.clear()
    services.restart_services()
