"""Publishing the commands of a round's phase to the other services, and deciding whether to publish them now."""

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
class PendingWork:
    """The work of another service that a phase waits for."""

    phase: str
    queue: str
    """The queue that takes the phase's commands."""
    last_activity: datetime
    """When something last happened in the phase, in UTC."""


MayPublish = Callable[[PendingWork], bool]
"""Decides whether the commands of a waiting phase may be published now."""


def publish_always(_: PendingWork) -> bool:
    """True: for a state that is new, whose commands have never been published."""
    return True


def publish_never(_: PendingWork) -> bool:
    """False: for a state whose commands are under way, so that only the stored state may change."""
    return False


def publish_commands(ports: Ports, run: Run, current: Round, commands: Sequence[Command]) -> None:
    """Publish the commands of the round's phase, and record the activity in the ledger."""
    # The activity is recorded first: if control is killed in between, the sweep only waits a little longer before it repeats
    # the commands.
    ports.ledger.touch(run.id, current.number)
    ports.publisher.publish_all(commands, correlation_id=run.correlation_id)
    log.info("commands_published", round=current.number, phase=current.phase, commands=len(commands))
