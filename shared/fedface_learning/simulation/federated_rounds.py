"""The rounds of a federated run in one process: what clients and aggregator compute, without the services."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from fedface_core.domain.cohort import Participation, draw_cohort
from fedface_core.domain.ids import client_index
from fedface_core.domain.plan import Plan
from fedface_learning.aggregation.enrolment_fold import EnrolmentPartial, reduce_enrolment
from fedface_learning.aggregation.gathered import Gathered, Rounds
from fedface_learning.aggregation.reduced_round import ReducedRound
from fedface_learning.aggregation.training_fold import TrainingPartial, reduce_training
from fedface_learning.client.local_training import Trainee, TrainingRound
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.client.update import enrolment_update, training_updates
from fedface_learning.formats.class_embeddings import decode_class_embeddings
from fedface_learning.formats.codec import decode_tensors
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.strategies import NOTHING, ServerRound, Tensors, strategy_of
from fedface_learning.updates.encoding import decode_residual, update_encoding_of
from fedface_learning.updates.form import UpdateForm, further_reference, in_one_block


def federated_rounds(plan: Plan, network: EmbeddingNetwork, gathered: Gathered) -> Rounds:
    """Enrolment and ``plan.rounds`` training rounds, in which every invited client takes part."""
    clients, taken_part = tuple(gathered.images), Counter[str]()
    residuals: dict[str, Tensor] = {}
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
        reduced = _train(images, before, reduced, residuals)
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


def _train(
    images: Mapping[str, Tensor], before: ServerRound, base: ReducedRound, residuals: dict[str, Tensor]
) -> ReducedRound:
    """One training round, from what ``base`` came to. Every client trains in the same network, which is the global model
    again at the end.

    With error feedback, ``residuals`` are what each client's last update in an average had left out.
    """
    plan, trainer, partials = before.plan, LocalTrainer(before.network), []
    further = further_reference(strategy_of(plan).upload_shapes(plan))
    form = UpdateForm.of(trainer.global_model, further, update_encoding_of(plan))
    training = TrainingRound(plan, before.number, _decoded(base.guidance), base.aggregation.model_sha256)
    for shard in _shards(tuple(images), plan):
        partial = TrainingPartial()
        trainees = [
            Trainee(client, images[client], before.class_embeddings_CD[client_index(client)], residuals.get(client))
            for client in shard
        ]
        for client, update in training_updates(trainer, trainees, training):
            partial.fold(client, update.accepted, in_one_block(update.data), form, plan.cohort.max_update_norm)
            if update.residual is not None and client not in partial.refused:
                residuals[client] = decode_residual(update.residual)
        partials.append(partial)
    trainer.reset()
    return reduce_training(partials, before)


def _decoded(data: bytes | None) -> Tensors:
    return NOTHING if data is None else decode_tensors(data)[0]


def _shards(cohort: tuple[str, ...], plan: Plan) -> Iterator[tuple[str, ...]]:
    size = plan.cohort.shard_size
    return (cohort[first : first + size] for first in range(0, len(cohort), size))
