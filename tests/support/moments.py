"""Brings a run to the moments of its life: after one step, or after some more, and so on to its end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fedface_core.adapters.memory import MemoryLedger
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import RunPhase
from support.in_process import InProcess
from support.stride import Stride


def moments(plan: Plan, stride: Stride, max_steps: int = 100) -> Iterator[tuple[InProcess, str]]:
    """For some numbers of steps up to a run's end: services that have done so many steps, and the run's id.

    A run must have fewer than ``max_steps`` steps.
    """
    for steps in stride.of(range(1, max_steps + stride.step + 1)):
        services = InProcess(plan)
        run_id = services.start()
        for _ in range(steps):
            if services.ports.ledger.load(run_id).phase is RunPhase.COMPLETED:
                return
            services.step()
        yield services, run_id
    raise AssertionError(f"the run has not ended after {max_steps} steps")


def lose_ledger(services: InProcess) -> None:
    """Delete all that Redis holds, messages too, and restart every process."""
    services.ports = replace(services.ports, ledger=MemoryLedger(services.clock))
    services.publisher.published.clear()
    services.restart_services()
