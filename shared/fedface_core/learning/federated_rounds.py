"""The rounds of a federated run in one process: what clients and aggregator compute, without the services."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from fedface_core.domain.cohort import Participation
from fedface_core.domain.ids import client_index
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import draw_cohort
from fedface_core.learning.class_embeddings import decode_class_embeddings
from fedface_core.learning.client_steps import enrolment_update, training_updates
from fedface_core.learning.codec import decode_tensors
from fedface_core.learning.enrolment_fold import EnrolmentPartial, reduce_enrolment
from fedface_core.learning.gathered import Gathered, Rounds
from fedface_core.learning.local_training import LocalTrainer
from fedface_core.learning.models import EmbeddingNetwork
from fedface_core.learning.reduced_round import ReducedRound
from fedface_core.learning.strategies import NOTHING, ServerRound, Tensors, strategy_of
from fedface_core.learning.training_fold import TrainingPartial, reduce_training
from fedface_core.learning.update_form import UpdateForm, further_reference, in_one_block
from fedface_core.learning.weights import network_tensors


def federated_rounds(plan: Plan, network: EmbeddingNetwork, gathered: Gathered) -> Rounds:
    """Enrolment and ``plan.rounds`` training rounds, in which every invited client takes part."""
    clients, taken_part = tuple(gathered.images), Counter[str]()
    start = round_zero(plan, network, gathered)
    reduced = enrol_everyone(gathered.images, start)
    yield reduced, gathered.score(0, network, plan.far)
    for number in range(1, plan.rounds + 1):
        history = {client: Participation(invited=count, accepted=count) for client, count in taken_part.items()}
        cohort = draw_cohort(plan, number, clients, history)
        taken_part.update(cohort)
        before = replace(
            start,
            number=number,
            class_embeddings_CD=decode_class_embeddings(reduced.class_embeddings, plan.model.embedding_size),
            state=_decoded(reduced.server_state),
        )
        images = {client: gathered.images[client] for client in cohort}
        reduced = _train(images, before, _decoded(reduced.guidance))
        yield reduced, gathered.score(number, network, plan.far)


def round_zero(plan: Plan, network: EmbeddingNetwork, gathered: Gathered) -> ServerRound:
    """What enrolment starts from."""
    nobodys_CD = torch.empty(0, plan.model.embedding_size)
    return ServerRound(plan, 0, network, nobodys_CD, {}, NOTHING, lambda: gathered.dataset)


def enrol_everyone(images: Mapping[str, Tensor], before: ServerRound) -> ReducedRound:
    """Round 0 of everybody whose ``images`` these are."""
    plan, partials = before.plan, []
    for shard in _shards(tuple(images), plan):
        partial = EnrolmentPartial()
        for client in shard:
            update = enrolment_update(before.network, images[client], plan)
            partial.fold(client, update.accepted, in_one_block(update.data), plan.model.embedding_size)
        partials.append(partial)
    return reduce_enrolment(partials, before)


def _train(images: Mapping[str, Tensor], before: ServerRound, guidance: Tensors) -> ReducedRound:
    """One training round. Every client trains in the same network, which is the global model again at the end."""
    plan, trainer, partials = before.plan, LocalTrainer(before.network), []
    global_model = {name: tensor.clone() for name, tensor in network_tensors(before.network).items()}
    form = UpdateForm.of(global_model, further_reference(strategy_of(plan).upload_shapes(plan)))
    for shard in _shards(tuple(images), plan):
        partial = TrainingPartial()
        own = {client: images[client] for client in shard}
        rows = {client: before.class_embeddings_CD[client_index(client)] for client in shard}
        for client, update in training_updates(trainer, own, rows, plan, before.number, guidance=guidance):
            partial.fold(client, update.accepted, in_one_block(update.data), form, plan.cohort.max_update_norm)
        partials.append(partial)
    trainer.reset()
    return reduce_training(partials, before)


def _decoded(data: bytes | None) -> Tensors:
    return NOTHING if data is None else decode_tensors(data)[0]


def _shards(cohort: tuple[str, ...], plan: Plan) -> Iterator[tuple[str, ...]]:
    size = plan.cohort.shard_size
    return (cohort[first : first + size] for first in range(0, len(cohort), size))
