"""The Celery task and the queue of each command. The body of a message is the command as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel

from fedface_core.domain import commands


@dataclass(frozen=True)
class Route:
    """The Celery task that executes a command, and the queue that it waits in."""

    task: str
    queue: str


CLIENT: Final = "client"
AGGREGATOR: Final = "aggregator"
EVALUATOR: Final = "evaluator"
CONTROL: Final = "control"
QUEUES: Final = (CLIENT, AGGREGATOR, EVALUATOR, CONTROL)

# The message header with the id of the run's work in all logs. Celery has a correlation id too, but that names one message.
CORRELATION_HEADER: Final = "fedface_correlation_id"

ROUTES: Final[dict[type[BaseModel], Route]] = {
    commands.ListIdentities: Route("client.list_identities", CLIENT),
    commands.EnrolClients: Route("client.enrol", CLIENT),
    commands.TrainClients: Route("client.train", CLIENT),
    commands.PrepareModel: Route("aggregator.prepare_model", AGGREGATOR),
    commands.FoldShard: Route("aggregator.fold_shard", AGGREGATOR),
    commands.ReduceRound: Route("aggregator.reduce_round", AGGREGATOR),
    commands.EvaluateModel: Route("evaluator.evaluate_model", EVALUATOR),
    commands.HandleFact: Route("control.handle_fact", CONTROL),
    commands.Sweep: Route("control.sweep", CONTROL),
}
