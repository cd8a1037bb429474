"""Publishes what a run's phase asks of the other services: after each transition, and again by the sweep."""

from __future__ import annotations

import structlog

from fedface_core.domain import run as runs
from fedface_core.domain.commands import PrepareModel
from fedface_core.domain.round import Round, Tally, implied_commands
from fedface_core.domain.run import Run
from fedface_core.ports import Ports

log = structlog.get_logger(__name__)


def ask_for_model(ports: Ports, run: Run) -> None:
    """Ask the aggregator for the run's initial model version."""
    ports.publisher.publish(PrepareModel(run_id=run.id), correlation_id=run.correlation_id)


def ask_for_model_again(ports: Ports, run: Run) -> None:
    """The same once more, dated first, so that it is not asked for at every sweep."""
    ask_for_model(ports, ports.ledger.save(runs.prompt_again(run, ports.clock.now()), "model_asked_for_again"))


def publish_implied(ports: Ports, run: Run, current: Round, tally: Tally) -> None:
    """Publish what the round's phase implies."""
    # Touched first: were we killed in between, the sweep would only wait a little longer before it repeats.
    ports.ledger.touch(run.id, current.number, ports.clock.now())
    commands = implied_commands(run.plan, current, tally)
    ports.publisher.publish_all(commands, correlation_id=run.correlation_id)
    log.info("commands_published", round=current.number, phase=current.phase, commands=len(commands))
