"""Commands: messages that ask a service for work. They carry ids, never tensors. A command that is executed twice has the
effect of one that is executed once.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from fedface_core.domain.device_kinds import CPU, DeviceKind
from fedface_core.domain.facts import Fact
from fedface_core.domain.ids import MOST_CLIENTS, ClientId, RunId
from fedface_core.domain.results import MOST_COUNTED, Counted

Clients = Annotated[tuple[ClientId, ...], Field(min_length=1, max_length=MOST_CLIENTS, description="In client order.")]


class Command(BaseModel):
    """The fields of every command that is about a run. Unknown fields and schema versions are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[3] = 3
    run_id: RunId


class DeviceCommand(Command):
    """The fields of every command whose work is computed on the kind of device that the run's plan asks for."""

    device: DeviceKind = Field(default=CPU, exclude_if=lambda device: device == CPU, description="The kind of device.")


class PrepareModel(Command):
    """Asks the aggregator to put the initial model version into the artifact store."""


class ListIdentities(DeviceCommand):
    """Asks a client worker, which has the photographs, to put the data set's identity list into the artifact store."""


class EnrolClients(DeviceCommand):
    """Asks clients to upload the mean embedding of their images (round 0)."""

    clients: Clients


class TrainClients(DeviceCommand):
    """Asks clients to train the round's global model on their images and to upload their updates."""

    round: Annotated[int, Field(ge=1, le=MOST_COUNTED)]
    clients: Clients


class ClientsOfRound(DeviceCommand):
    """The fields of the commands of a masked round to its clients (ADR 41), beside those to enrol or to train."""

    round: Counted
    clients: Clients


class RegisterDevices(ClientsOfRound):
    """Asks clients to register the public keys of their devices, before they enrol."""


class ShareKeys(ClientsOfRound):
    """Asks clients to put their key bundles: a key of the round, and shares of their secrets for their neighbours."""


class SignAcceptedSet(ClientsOfRound):
    """Asks clients to sign the accepted set of their shard."""


class RevealShares(ClientsOfRound):
    """Asks clients to reveal one share for each of their neighbours, so that the sum of their shard can be unmasked."""


class HandOnShares(Command):
    """Asks the aggregator to put a shard's roster, and for each client on it the shares that it received."""

    round: Counted
    shard: Counted


class FoldShard(Command):
    """Asks the aggregator to sum the accepted updates of one shard into the shard's partial."""

    round: Counted
    shard: Counted


class ReduceRound(Command):
    """Asks the aggregator to reduce a round's partials to the next model version and class embeddings."""

    round: Counted


class EvaluateModel(DeviceCommand):
    """Asks the evaluator to score a round's model version and to store the verification report."""

    round: Counted


class HandleFact(Command):
    """Tells control a fact about a run."""

    fact: Fact


class Sweep(BaseModel):
    """Asks control to look for overdue rounds and lost commands, in all runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[3] = 3
