"""Closes a round to further updates, and passes it on to the aggregator and the evaluator."""

from __future__ import annotations

import structlog

from fedface_control.prompt import publish_implied
from fedface_core.domain.events import RoundAggregated, RoundReady
from fedface_core.domain.round import advance
from fedface_core.domain.run import Run
from fedface_core.ports import Ports

log = structlog.get_logger(__name__)


def close_round(ports: Ports, run: Run, fact: RoundReady) -> None:
    """End acceptance, which freezes the accepted set; then have what is not folded yet folded."""
    current = ports.ledger.load_round(run.id, fact.round)
    closed = advance(current, fact, ports.clock.now())
    if closed.phase is current.phase:
        return  # redelivered, or a second update reached the quorum
    run = ports.ledger.save(run, "round_closed", changed=closed)
    log.info("round_closed", round=fact.round, because=fact.because)
    publish_implied(ports, run, closed)


def pass_to_evaluator(ports: Ports, run: Run, fact: RoundAggregated) -> None:
    """Record the round's model version and have it scored."""
    current = ports.ledger.load_round(run.id, fact.round)
    aggregated = advance(current, fact, ports.clock.now())
    if aggregated.phase is current.phase:
        return
    run = ports.ledger.save(run, "round_aggregated", changed=aggregated)
    log.info(
        "round_aggregated", round=fact.round, model_sha256=fact.aggregation.model_sha256, folded=fact.aggregation.folded
    )
    publish_implied(ports, run, aggregated)
