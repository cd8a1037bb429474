"""The whole of FedFace in one process: what the services compute, without the services.

It calls the same functions in the same order, so its model is the services' model to the bit, wherever the same updates
were accepted. Here that is always the whole cohort: a quorum below the cohort's size depends on who is faster, and
nobody is in one process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fedface_core.domain.cohort import Participation
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.events import Aggregation
from fedface_core.domain.ids import client_id, client_index
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import draw_cohort
from fedface_core.learning.class_embeddings import decode_class_embeddings
from fedface_core.learning.client_steps import enrolment_update, training_update
from fedface_core.learning.codec import decode_tensors, sha256_hex
from fedface_core.learning.data import FaceDataset, open_photographs, split_identities
from fedface_core.learning.enrolment_fold import EnrolmentPartial, reduce_enrolment
from fedface_core.learning.models import EmbeddingNetwork, initial_network
from fedface_core.learning.reduced_round import ReducedRound
from fedface_core.learning.strategies import NOTHING, ServerRound, Tensors, strategy_of
from fedface_core.learning.training_fold import TrainingPartial, reduce_training
from fedface_core.learning.update_checks import further_reference
from fedface_core.learning.verification import Verification, evaluate
from fedface_core.learning.weights import load_tensors, network_tensors


@dataclass(frozen=True)
class SimulatedRound:
    """What one round came to; round 0 is enrolment, whose verification is that of the pre-trained network."""

    number: int
    aggregation: Aggregation
    verification: Verification


@dataclass(frozen=True)
class SimulationResult:
    """The last model version, and every round."""

    model: bytes
    rounds: tuple[SimulatedRound, ...]

    @property
    def model_sha256(self) -> str:
        """The name of the last model version."""
        return sha256_hex(self.model)


def simulate(
    plan: Plan,
    on_round: Callable[[SimulatedRound], None] | None = None,
    *,
    initial: EmbeddingNetwork | None = None,
    dataset: FaceDataset | None = None,
) -> SimulationResult:
    """Run a plan. ``on_round`` is told of each round as it ends.

    ``initial`` stands in for the stored model where the plan names one by its SHA-256 (it is changed in place), and
    ``dataset`` for the plan's own.
    """
    if plan.aggregation.mode == "asynchronous":
        raise InvalidInputError("one process trains one client at a time, and has nothing asynchronous to simulate")
    network = initial or initial_network(plan.model, plan.seed)
    opened = dataset or open_photographs(plan)
    split = split_identities(opened.identities, plan.split)
    clients = tuple(client_id(index) for index in range(plan.split.clients))
    images = {client: opened.images(identity) for client, identity in zip(clients, split.clients, strict=True)}

    rounds: list[SimulatedRound] = []

    def finish(reduced: ReducedRound) -> None:
        rounds.append(SimulatedRound(len(rounds), reduced.aggregation, evaluate(network, opened, split.test, plan.far)))
        if on_round:
            on_round(rounds[-1])

    taken_part: Counter[str] = Counter()
    start = ServerRound(plan, 0, network, torch.empty(0, plan.model.embedding_size), {}, NOTHING, lambda: opened)
    reduced = _enrol(images, start)
    finish(reduced)
    for number in range(1, plan.rounds + 1):
        history = {client: Participation(invited=count, accepted=count) for client, count in taken_part.items()}
        cohort = draw_cohort(plan, number, clients, history)
        for client in cohort:
            taken_part[client] += 1
        before = replace(
            start,
            number=number,
            class_embeddings_CD=decode_class_embeddings(reduced.class_embeddings, plan.model.embedding_size),
            state=_decoded(reduced.server_state),
        )
        reduced = _train({client: images[client] for client in cohort}, before, _decoded(reduced.guidance))
        finish(reduced)
    return SimulationResult(reduced.model, tuple(rounds))


def _enrol(images: dict[str, Tensor], before: ServerRound) -> ReducedRound:
    plan, partials = before.plan, []
    for shard in _shards(tuple(images), plan):
        partial = EnrolmentPartial()
        for client in shard:
            update = enrolment_update(before.network, images[client], plan)
            partial.fold(client, update.accepted, {client: update.data}.__getitem__, plan.model.embedding_size)
        partials.append(partial)
    return reduce_enrolment(partials, before)


def _train(images: dict[str, Tensor], before: ServerRound, guidance: Tensors) -> ReducedRound:
    """One training round. Every client trains in the same network, reset to the global model before and after."""
    plan, network, partials = before.plan, before.network, []
    global_model = {name: tensor.clone() for name, tensor in network_tensors(network).items()}
    further = further_reference(strategy_of(plan).upload_shapes(plan))
    for shard in _shards(tuple(images), plan):
        partial = TrainingPartial()
        for client in shard:
            load_tensors(network, global_model, "the global model")
            own_D = before.class_embeddings_CD[client_index(client)]
            update = training_update(network, images[client], own_D, plan, before.number, client, guidance=guidance)
            fetch = {client: update.data}.__getitem__
            partial.fold(client, update.accepted, fetch, global_model, plan.cohort.max_update_norm, further=further)
        partials.append(partial)
    load_tensors(network, global_model, "the global model")
    return reduce_training(partials, before)


def _decoded(data: bytes | None) -> Tensors:
    return NOTHING if data is None else decode_tensors(data)[0]


def _shards(cohort: tuple[str, ...], plan: Plan) -> Iterator[tuple[str, ...]]:
    size = plan.cohort.shard_size
    return (cohort[first : first + size] for first in range(0, len(cohort), size))
