"""Publishes what a round's phase asks of the other services, and says when that may be done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from fedface_core.domain.commands import Command
from fedface_core.domain.round import Round
from fedface_core.domain.run import Run
from fedface_core.ports import Ports

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Waiting:
    """A phase that waits for another service."""

    phase: str
    queue: str
    """The queue that takes the phase's commands."""
    since: datetime
    """When something last happened in the phase."""


MayPublish = Callable[[Waiting], bool]
"""Whether the commands of a phase that waits may be published now."""


def publish_always(_: Waiting) -> bool:
    """For a state that is new: its commands have never been published."""
    return True


def publish_never(_: Waiting) -> bool:
    """For a state whose commands are under way: only changes of the stored state are looked for."""
    return False


def publish_commands(ports: Ports, run: Run, current: Round, commands: Sequence[Command]) -> None:
    """Publish the commands of the round's phase, and note activity in the round."""
    # Noted first: were we killed in between, the sweep would only wait a little longer before it repeats them.
    ports.ledger.touch(run.id, current.number, ports.clock.now())
    ports.publisher.publish_all(commands, correlation_id=run.correlation_id)
    log.info("commands_published", round=current.number, phase=current.phase, commands=len(commands))
