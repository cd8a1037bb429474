"""Servers with a queue, in SimPy: they serve some requests at once, in the order in which these came."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import simpy

Steps = Generator[simpy.Event, Any, None]
"""What a process of the simulation waits for, one event after the other."""


class Station:
    """A server of ``places`` places. Its requests also take a core of ``machine`` if there is one."""

    def __init__(self, env: simpy.Environment, places: int, machine: Station | None = None) -> None:
        self.busy_seconds = 0.0
        self._env = env
        self._places = places
        self._turns = simpy.Resource(env, places)
        self._machine = machine

    def serve(self, seconds: float) -> Steps:
        """Wait for a place, and take it for so long."""
        if seconds <= 0:
            return
        with self._turns.request() as turn:
            yield turn
            if self._machine is None:
                yield self._env.timeout(seconds)
            else:
                yield from self._machine.serve(seconds)
            self.busy_seconds += seconds

    def utilisation(self, seconds: float) -> float:
        """The share of ``seconds`` in which a place was taken, as a mean over all places."""
        return self.busy_seconds / (self._places * seconds)
