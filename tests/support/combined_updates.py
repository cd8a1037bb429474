"""Combined updates of a small network, of clients that have changed every value by so much."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from fedface_core.domain.ids import client_id
from fedface_core.domain.update import AcceptedUpdate, group_digest
from fedface_learning.aggregation import StartingPoint, TrainingPartial
from fedface_learning.formats.codec import sha256_hex
from fedface_learning.models import initial_network
from fedface_learning.models.weights import network_tensors
from fedface_learning.strategies import Tensors
from fedface_learning.updates.trained import TrainedModels, TrainedUpdate
from support.server_rounds import starting_point
from support.small_networks import small_plan

PLAN: Final = small_plan(delivery="combined")
START_MODEL: Final = network_tensors(initial_network(PLAN.model, 0))
START: Final[StartingPoint] = starting_point(PLAN, START_MODEL)
CLIENTS: Final = [client_id(index) for index in range(3)]


def declared(images: int) -> AcceptedUpdate:
    """What a client declares that was trained from `START_MODEL`. Of its object nothing is known."""
    return AcceptedUpdate(
        sha256="0" * 64, size=1, images=images, loss_before=1.0, loss_after=0.5, started_from=START.model_sha256
    )


def folded(changes: dict[str, float], start: StartingPoint = START, start_model: Tensors = START_MODEL) -> TrainingPartial:
    """The sum of clients that have changed every value by so much. The first has one image, the next one two, and so on."""
    partial = TrainingPartial()
    for images, (client, by) in enumerate(changes.items(), start=1):
        partial.fold_trained({client: _trained(start_model, images, by)}, start)
    return partial


def accepted_of(data: bytes, members: Iterable[str]) -> dict[str, AcceptedUpdate]:
    """What was accepted of the clients that are in the combined update ``data``."""
    clients = list(members)
    known = {"sha256": sha256_hex(data), "size": len(data), "group": group_digest(clients)}
    return {client: declared(images).model_copy(update=known) for images, client in enumerate(clients, start=1)}


def _trained(start_model: Tensors, images: int, by: float) -> TrainedUpdate:
    model = {name: tensor + by if tensor.is_floating_point() else tensor for name, tensor in start_model.items()}
    models = TrainedModels({name: tensor.unsqueeze(0) for name, tensor in model.items()})
    return TrainedUpdate(declared(images), models, 0, {})
