"""The rounds of a federated run in one process: what clients and aggregator compute, without the services."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor

from fedface_core.domain.cohort import Participation, draw_cohort
from fedface_core.domain.plan import Plan
from fedface_core.domain.round_kind import ENROLMENT_ROUND, RoundKind
from fedface_learning.aggregation import PARTIALS, Partial, StartingPoint
from fedface_learning.aggregation.reduce import reduce_partials
from fedface_learning.aggregation.reduced_round import ReducedRound
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.formats.class_embeddings import decode_class_embeddings
from fedface_learning.formats.codec import decode_tensors, sha256_hex
from fedface_learning.formats.stored_tensors import StoredTensors
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.models.weights import encode_network
from fedface_learning.simulation.client_work import CLIENT_WORK, RoundInputs
from fedface_learning.simulation.simulation_data import Rounds, SimulationData
from fedface_learning.strategies import NOTHING, ServerRound, Tensors
from fedface_learning.updates.encoding import decode_residual
from fedface_learning.updates.form import in_one_block


def federated_rounds(plan: Plan, network: EmbeddingNetwork, data: SimulationData) -> Rounds:
    """Enrolment, then ``plan.rounds`` training rounds, in which every invited client takes part.

    ``network`` is the initial network; it is changed in place.
    """
    federation = Federation(plan, network, data)
    clients = tuple(data.images)
    participations = Counter[str]()
    yield federation.enrol(), data.score(ENROLMENT_ROUND, network)
    for number in range(1, plan.rounds + 1):
        history = {client: Participation(invited=count, accepted=count) for client, count in participations.items()}
        cohort = draw_cohort(plan, number, clients, history)
        participations.update(cohort)
        yield federation.simulate_round(number, cohort), data.score(number, network)


class Federation:
    """The clients and the aggregator of a federated run, in one process. Each round starts from the result of the last one.

    ``network`` is the initial network; after each round it is the round's model version.
    """

    def __init__(self, plan: Plan, network: EmbeddingNetwork, data: SimulationData) -> None:
        self._plan = plan
        self._network = network
        self._data = data
        self._base = _Base(encode_network(network), torch.empty(0, plan.model.embedding_size))
        self._residuals: dict[str, Tensor] = {}  # with error feedback: of each client's last update that is in the model

    def enrol(self) -> ReducedRound:
        """Enrol every client; this is round 0."""
        return self.simulate_round(ENROLMENT_ROUND, tuple(self._data.images))

    def simulate_round(self, number: int, cohort: Sequence[str]) -> ReducedRound:
        """Run round ``number``, in which all clients of ``cohort`` take part. Shards are slices of the cohort, in order."""
        before = ServerRound(
            plan=self._plan,
            number=number,
            network=self._network,
            class_embeddings_CD=self._base.class_embeddings_CD,
            uploaded={},
            state=self._base.state,
            photographs=lambda: self._data.dataset,
        )
        reduced = reduce_partials(self._partials(before, cohort), before)
        self._base = _Base.of(reduced, self._plan.model.embedding_size)
        return reduced

    def _partials(self, before: ServerRound, cohort: Sequence[str]) -> Iterator[Partial]:
        """The partial of each shard. Clients train in the round's network; at the end it is the global model again."""
        plan = self._plan
        base = self._base
        kind = RoundKind.of(before.number)
        start = StartingPoint(plan, sha256_hex(base.model), lambda: StoredTensors(io.BytesIO(base.model)))
        trainer = LocalTrainer(self._network)
        inputs = RoundInputs(
            plan, before.number, trainer, start.model_sha256, base.class_embeddings_CD, base.guidance, self._residuals
        )
        for first in range(0, len(cohort), plan.cohort.shard_size):
            images = {client: self._data.images[client] for client in cohort[first : first + plan.cohort.shard_size]}
            partial = PARTIALS[kind]()
            for client, update in CLIENT_WORK[kind](inputs, images):
                partial.fold(client, update.accepted, in_one_block(update.data), start)
                if update.residual is not None and client not in partial.refused:
                    self._residuals[client] = decode_residual(update.residual)
            yield partial
        trainer.reset()


@dataclass(frozen=True)
class _Base:
    """What a round starts from: the result of the round before."""

    model: bytes
    class_embeddings_CD: Tensor
    state: Tensors = field(default_factory=dict)
    guidance: Tensors = field(default_factory=dict)

    @classmethod
    def of(cls, reduced: ReducedRound, embedding_size: int) -> Self:
        return cls(
            reduced.model,
            decode_class_embeddings(reduced.class_embeddings, embedding_size),
            _decode(reduced.server_state),
            _decode(reduced.guidance),
        )


def _decode(data: bytes | None) -> Tensors:
    return NOTHING if data is None else decode_tensors(data)[0]
