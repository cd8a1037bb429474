"""Commands: what a service is asked to do. They carry ids, never tensors; doing one twice changes nothing."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from fedface_core.domain.facts import Fact
from fedface_core.domain.ids import ClientId, RunId

Clients = Annotated[tuple[ClientId, ...], Field(min_length=1, description="In client order, each on its own.")]


class Command(BaseModel):
    """Common to all commands; unknown fields and versions are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[3] = 3
    run_id: RunId


class PrepareModel(Command):
    """To the aggregator: put the initial model version into the store."""


class EnrolClients(Command):
    """To some clients: put the mean embedding of your images (round 0)."""

    clients: Clients


class TrainClients(Command):
    """To some clients: train the global model of the round on your images and put the update."""

    round: Annotated[int, Field(ge=1)]
    clients: Clients


class FoldShard(Command):
    """To the aggregator: sum the accepted updates of one shard into its partial."""

    round: Annotated[int, Field(ge=0)]
    shard: Annotated[int, Field(ge=0)]


class ReduceRound(Command):
    """To the aggregator: reduce the partials, average, spread, and put the new model version."""

    round: Annotated[int, Field(ge=0)]


class EvaluateModel(Command):
    """To the evaluator: score the round's model version and put the report."""

    round: Annotated[int, Field(ge=0)]


class HandleFact(Command):
    """To control: a fact happened."""

    fact: Fact


class Sweep(BaseModel):
    """To control: look for overdue rounds and lost commands."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[3] = 3
