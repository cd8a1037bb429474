"""Facts, from the aggregator to control."""

from __future__ import annotations

from fedface_core.domain.commands import HandleFact
from fedface_core.domain.events import ModelPrepared, RoundAggregated, StepFailed
from fedface_core.ports import Ports


def report(ports: Ports, fact: ModelPrepared | RoundAggregated | StepFailed, correlation_id: str) -> None:
    """Tell control."""
    ports.publisher.publish(HandleFact(run_id=fact.run_id, fact=fact), correlation_id=correlation_id)
