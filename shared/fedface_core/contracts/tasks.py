"""The Celery task and the queue of each command. The body of a message is the command as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel

from fedface_core.domain import commands
from fedface_core.domain.device_kinds import CPU, CUDA, DeviceKind
from fedface_core.domain.failures import shard_step
from fedface_core.domain.round_kind import ENROLMENT_ROUND


@dataclass(frozen=True)
class Route:
    """The Celery task that executes a command, and the queue that it waits in."""

    task: str
    queue: str


CLIENT: Final = "client"
AGGREGATOR: Final = "aggregator"
EVALUATOR: Final = "evaluator"
CONTROL: Final = "control"


def device_queue(service: str, device: DeviceKind) -> str:
    """The queue of the service's tasks for this kind of device: for the CPU, that with the service's name."""
    return service if device == CPU else f"{service}-{device}"


ON_DEVICES: Final = (CLIENT, EVALUATOR)
"""The services with a queue for each kind of device."""
QUEUES: Final = (CLIENT, AGGREGATOR, EVALUATOR, CONTROL, *(device_queue(service, CUDA) for service in ON_DEVICES))

# The message header with the id of the run's work in all logs. Celery has a correlation id too, but that names one message.
CORRELATION_HEADER: Final = "fedface_correlation_id"

ROUTES: Final[dict[type[BaseModel], Route]] = {
    commands.ListIdentities: Route("client.list_identities", CLIENT),
    commands.EnrolClients: Route("client.enrol", CLIENT),
    commands.TrainClients: Route("client.train", CLIENT),
    commands.RegisterDevices: Route("client.register_devices", CLIENT),
    commands.ShareKeys: Route("client.share_keys", CLIENT),
    commands.SignAcceptedSet: Route("client.sign_accepted_set", CLIENT),
    commands.RevealShares: Route("client.reveal_shares", CLIENT),
    commands.HandOnShares: Route("aggregator.hand_on_shares", AGGREGATOR),
    commands.PrepareModel: Route("aggregator.prepare_model", AGGREGATOR),
    commands.FoldShard: Route("aggregator.fold_shard", AGGREGATOR),
    commands.ReduceRound: Route("aggregator.reduce_round", AGGREGATOR),
    commands.EvaluateModel: Route("evaluator.evaluate_model", EVALUATOR),
    commands.HandleFact: Route("control.handle_fact", CONTROL),
    commands.Sweep: Route("control.sweep", CONTROL),
}


def queues_of(kind: type[BaseModel]) -> tuple[str, ...]:
    """The queues that commands of this type may wait in: one for each kind of device, if their work is computed on one."""
    queue = ROUTES[kind].queue
    return (queue, device_queue(queue, CUDA)) if issubclass(kind, commands.DeviceCommand) else (queue,)


def queue_of(command: BaseModel) -> str:
    """The queue that a command waits in: that of its service, and of its device if it names one."""
    queue = ROUTES[type(command)].queue
    return device_queue(queue, command.device) if isinstance(command, commands.DeviceCommand) else queue


def step_of(command: BaseModel) -> str:
    """The step that a command asks for, as operators read it."""
    task = ROUTES[type(command)].task
    match command:
        case commands.FoldShard():
            return shard_step(command.shard)
        case commands.HandleFact():
            return f"{task} of {command.fact.kind}"
        case commands.HandOnShares():
            return f"{task} of shard {command.shard}"
        case commands.EnrolClients() | commands.TrainClients() | commands.ClientsOfRound():
            return f"{task} of {command.clients[0]} and others"
        case _:
            return task


def round_of(command: BaseModel) -> int | None:
    """The number of the round that a command is about; None if it is about the run itself."""
    if isinstance(command, commands.EnrolClients):
        return ENROLMENT_ROUND
    about: BaseModel = command.fact if isinstance(command, commands.HandleFact) else command
    return getattr(about, "round", None)
