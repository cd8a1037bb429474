"""Closes a round to further updates, and records what the aggregator made of it."""

from __future__ import annotations

import structlog

from fedface_control.records import accepted_updates
from fedface_core.domain.facts import RoundAggregated, RoundReady
from fedface_core.domain.round import Round, advance
from fedface_core.domain.run import Run
from fedface_core.domain.update import digest_in_order
from fedface_core.ports import Ports

log = structlog.get_logger(__name__)


def close_round(ports: Ports, run: Run, current: Round, ready: RoundReady) -> Run:
    """End acceptance, which freezes the accepted set."""
    closed = advance(current, ready, ports.clock.now())
    run = ports.ledger.save(run, "round_closed", changed=closed, detail={"because": ready.because})
    log.info("round_closed", round=current.number, because=ready.because)
    return run


def record_aggregation(ports: Ports, run: Run, fact: RoundAggregated) -> Run | None:
    """Record the round's model version. None where the fact is old: reported before, or made of another accepted set."""
    current = ports.ledger.load_round(run.id, fact.round)
    aggregated = advance(current, fact, ports.clock.now())
    if aggregated.phase is current.phase:
        return None
    if fact.accepted_digest != digest_in_order(accepted_updates(ports, run.id, fact.round)):
        log.warning("fact_ignored", fact=fact.kind, reason="it averages another accepted set than the ledger's")
        return None
    run = ports.ledger.save(run, "round_aggregated", changed=aggregated)
    log.info(
        "round_aggregated", round=fact.round, model_sha256=fact.aggregation.model_sha256, folded=fact.aggregation.folded
    )
    return run
