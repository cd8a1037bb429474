"""Publishes what a run's phase asks of the other services: after each transition, and again by the sweep."""

from __future__ import annotations

from fedface_core.domain import run as runs
from fedface_core.domain.commands import PrepareModel
from fedface_core.domain.round import Round, RoundPhase, abandon, implied_commands
from fedface_core.domain.run import Run, RunPhase
from fedface_core.ports import Ports


def ask_for_model(ports: Ports, run: Run) -> None:
    """Ask the aggregator for the run's initial model version."""
    ports.publisher.publish(PrepareModel(run_id=run.id), correlation_id=run.correlation_id)


def publish_implied(ports: Ports, run: Run, current: Round) -> None:
    """Publish what the round's phase implies; a closed round with too few accepted updates is abandoned instead."""
    tally = ports.ledger.tally(run.id, current.number)
    if current.phase is RoundPhase.AGGREGATING and tally.accepted < current.minimum:
        give_up(ports, run, current, f"{tally.accepted} updates were accepted, fewer than the minimum {current.minimum}")
        return
    # Touched first: were we killed in between, the sweep would only wait a little longer before it repeats.
    ports.ledger.touch(run.id, current.number, ports.clock.now())
    ports.publisher.publish_all(implied_commands(current, tally), correlation_id=run.correlation_id)


def give_up(ports: Ports, run: Run, current: Round, reason: str) -> None:
    """Abandon the round and end the run as failed, with the reason."""
    now = ports.clock.now()
    failed = runs.end(run, RunPhase.FAILED, now, failure=f"round {current.number}: {reason}")
    ports.ledger.save(failed, "round_abandoned", changed=abandon(current, now))
