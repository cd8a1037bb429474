"""The whole of FedFace in one process: what the services compute, without the services.

It calls the same functions in the same order, so its model is the services' model to the bit, wherever the same updates
were accepted. Here that is always the whole cohort: a quorum below the cohort's size depends on who is faster, and
nobody is in one process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import Tensor

from fedface_core.domain.cohort import Participation
from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.events import Aggregation
from fedface_core.domain.ids import client_id, client_index
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import draw_cohort
from fedface_core.learning.class_embeddings import decode_class_embeddings
from fedface_core.learning.client_steps import enrolment_update, training_update
from fedface_core.learning.codec import sha256_hex
from fedface_core.learning.data import FaceDataset, ImageSize, open_dataset, split_identities
from fedface_core.learning.enrolment_fold import EnrolmentPartial, reduce_enrolment
from fedface_core.learning.models import EmbeddingNetwork, initial_network
from fedface_core.learning.reduced_round import ReducedRound
from fedface_core.learning.training_fold import TrainingPartial, reduce_training
from fedface_core.learning.verification import Verification, evaluate
from fedface_core.learning.weights import load_tensors, network_tensors


@dataclass(frozen=True)
class SimulatedRound:
    """What one round came to; round 0 is enrolment, whose verification is that of the pre-trained network.

    ``verification`` is none where the round was not to be evaluated.
    """

    number: int
    aggregation: Aggregation
    verification: Verification | None


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
    evaluate_at: Callable[[int], bool] | None = None,
) -> SimulationResult:
    """Run a plan. ``on_round`` is told of each round as it ends.

    ``initial`` stands in for the network that the plan starts from, and must where the plan names a stored model by its
    SHA-256. It is changed in place, and is the round's model when ``on_round`` is told. ``dataset`` stands in for the plan's
    own. ``evaluate_at`` says by its number whether a round is evaluated; every one is by default.
    """
    if plan.aggregation.mode == "asynchronous":
        raise InvalidInputError("one process trains one client at a time, and has nothing asynchronous to simulate")
    network = initial or initial_network(plan.model, plan.seed)
    dataset = dataset or open_dataset(plan.data, ImageSize.of(plan.model), plan.split.identities)
    split = split_identities(dataset.identities, plan.split)
    clients = tuple(client_id(index) for index in range(plan.split.clients))
    images = {
        client: dataset.images(identity)[: plan.data.images_per_client]
        for client, identity in zip(clients, split.clients, strict=True)
    }

    rounds: list[SimulatedRound] = []

    def finish(reduced: ReducedRound) -> None:
        number = len(rounds)
        verification = None
        if evaluate_at is None or evaluate_at(number):
            verification = evaluate(network, dataset, split.test, plan.far)
        rounds.append(SimulatedRound(number, reduced.aggregation, verification))
        if on_round:
            on_round(rounds[-1])

    taken_part: Counter[str] = Counter()
    reduced = _enrol(network, images, plan)
    finish(reduced)
    for number in range(1, plan.rounds + 1):
        history = {client: Participation(invited=count, accepted=count) for client, count in taken_part.items()}
        class_embeddings_CD = decode_class_embeddings(reduced.class_embeddings, plan.model.embedding_size)
        cohort = draw_cohort(plan, number, clients, history)
        for client in cohort:
            taken_part[client] += 1
        reduced = _train(network, {client: images[client] for client in cohort}, class_embeddings_CD, plan, number)
        finish(reduced)
    return SimulationResult(reduced.model, tuple(rounds))


def _enrol(network: EmbeddingNetwork, images: dict[str, Tensor], plan: Plan) -> ReducedRound:
    partials = []
    for shard in _shards(tuple(images), plan):
        partial = EnrolmentPartial()
        for client in shard:
            update = enrolment_update(network, images[client], plan)
            partial.fold(client, update.accepted, {client: update.data}.__getitem__, plan.model.embedding_size)
        partials.append(partial)
    return reduce_enrolment(partials, network, plan)


def _train(
    network: EmbeddingNetwork, images: dict[str, Tensor], class_embeddings_CD: Tensor, plan: Plan, number: int
) -> ReducedRound:
    """One training round. Every client trains in the same ``network``, reset to the global model before and after."""
    global_model = {name: tensor.clone() for name, tensor in network_tensors(network).items()}
    partials = []
    for shard in _shards(tuple(images), plan):
        partial = TrainingPartial()
        for client in shard:
            load_tensors(network, global_model, "the global model")
            class_embedding_D = class_embeddings_CD[client_index(client)]
            update = training_update(network, images[client], class_embedding_D, plan, number, client)
            partial.fold(
                client, update.accepted, {client: update.data}.__getitem__, global_model, plan.cohort.max_update_norm
            )
        partials.append(partial)
    load_tensors(network, global_model, "the global model")
    return reduce_training(partials, network, class_embeddings_CD, plan)


def _shards(cohort: tuple[str, ...], plan: Plan) -> Iterator[tuple[str, ...]]:
    size = plan.cohort.shard_size
    return (cohort[first : first + size] for first in range(0, len(cohort), size))
