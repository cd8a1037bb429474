"""Celery's names for the commands: which task takes a command, on which queue. A message's body is the command as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel

from fedface_core.domain import commands


@dataclass(frozen=True)
class Route:
    """Where a command goes."""

    task: str
    queue: str


CLIENT, AGGREGATOR, EVALUATOR, CONTROL = "client", "aggregator", "evaluator", "control"
QUEUES: Final = (CLIENT, AGGREGATOR, EVALUATOR, CONTROL)

# The message header that names the run's work in every service's log. Celery's own correlation id names one message.
CORRELATION_HEADER: Final = "fedface_correlation_id"

ROUTES: Final[dict[type[BaseModel], Route]] = {
    commands.EnrolClients: Route("client.enrol", CLIENT),
    commands.TrainClients: Route("client.train", CLIENT),
    commands.PrepareModel: Route("aggregator.prepare_model", AGGREGATOR),
    commands.FoldShard: Route("aggregator.fold_shard", AGGREGATOR),
    commands.ReduceRound: Route("aggregator.reduce_round", AGGREGATOR),
    commands.EvaluateModel: Route("evaluator.evaluate_model", EVALUATOR),
    commands.HandleFact: Route("control.handle_fact", CONTROL),
    commands.Sweep: Route("control.sweep", CONTROL),
}
