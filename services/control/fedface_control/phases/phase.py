"""The interface of a phase in which a round waits for another service: the modules `masking`, `handing_on`, `open`,
`aggregating`, `evaluating`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fedface_core.domain.commands import Command
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import Round, RoundState, Tally
from fedface_core.domain.run import Run
from fedface_core.ports import Ports


@dataclass(frozen=True)
class Snapshot:
    """A run, its current round and the round's counts, as the ledger has them at one moment."""

    run: Run
    round: Round
    tally: Tally


class WaitingPhase(Protocol):
    """A phase in which a round waits for the work of another service."""

    def next_step(self, ports: Ports, snapshot: Snapshot) -> Run | None:
        """Store the change that follows by itself, and return the run as stored. None if the phase still waits."""

    def work_queue(self, plan: Plan, current: RoundState) -> str:
        """The queue of the service that the round waits for."""

    def commands(self, plan: Plan, current: Round, tally: Tally) -> Sequence[Command]:
        """What the phase asks of the other services, given what is already done. A pure function."""

    def publish(self, ports: Ports, snapshot: Snapshot) -> None:
        """Publish `commands`. Publishing twice is harmless, since every command may be repeated."""
