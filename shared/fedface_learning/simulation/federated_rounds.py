"""The rounds of a federated run in one process: what clients and aggregator compute, without the services."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor

from fedface_core.domain.cohort import Participation, draw_cohort
from fedface_core.domain.devices import uploads
from fedface_core.domain.errors import InvalidInputError, TooFewUpdatesError
from fedface_core.domain.plan import Plan
from fedface_core.domain.round_kind import ENROLMENT_ROUND
from fedface_learning.aggregation.reduce import reduce_partials
from fedface_learning.aggregation.reduced_round import ReducedRound
from fedface_learning.aggregation.server_state import strategy_state
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.device import HOST
from fedface_learning.formats.class_embeddings import decode_class_embeddings
from fedface_learning.formats.codec import decode_tensors, sha256_hex
from fedface_learning.formats.stored_tensors import StoredTensors
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.models.weights import encode_network, network_tensors
from fedface_learning.simulation.client_work import RoundInputs
from fedface_learning.simulation.fused_rounds import fused_partial, require_fusable
from fedface_learning.simulation.shard_sums import ShardSums
from fedface_learning.simulation.simulation_data import Rounds, SimulationData
from fedface_learning.strategies import NOTHING, ServerRound, Tensors


def federated_rounds(plan: Plan, network: EmbeddingNetwork, data: SimulationData, *, fused: bool = False) -> Rounds:
    """Enrolment, then ``plan.rounds`` training rounds, in which every invited client takes part that puts an update.

    Devices that drop out and uploads that break off are the plan's, as in the services. Time does not pass: no device is
    away, slow or late.
    ``network`` is the initial network; it is changed in place. ``fused``: see `Federation`.
    """
    federation = Federation(plan, network, data, fused=fused)
    clients = tuple(data.images)
    invited = Counter[str]()
    accepted = Counter[str]()
    yield federation.enrol(), data.score(ENROLMENT_ROUND, network)
    for number in range(1, plan.rounds + 1):
        history = {client: Participation(invited=invited[client], accepted=accepted[client]) for client in invited}
        cohort = draw_cohort(plan, number, clients, history)
        uploading = [client for client in cohort if uploads(plan, client, number)]
        invited.update(cohort)
        accepted.update(uploading)
        yield federation.simulate_round(number, uploading), data.score(number, network)


class Federation:
    """The clients and the aggregator of a federated run, in one process. Each round starts from the result of the last one.

    ``network`` is the initial network; after each round it is the round's model version. If rounds are ``fused``, each is
    computed as one batch (`fused_rounds.py`), for plans that allow it.
    """

    def __init__(self, plan: Plan, network: EmbeddingNetwork, data: SimulationData, *, fused: bool = False) -> None:
        if fused:
            require_fusable(plan)
        self._fused = fused
        self._plan = plan
        self._network = network
        self._data = data
        self._base = _Base(encode_network(network), torch.empty(0, plan.model.embedding_size))
        self._trainer: LocalTrainer | None = None
        self._anchor: EmbeddingNetwork | None = None
        self._residuals: dict[str, Tensor] = {}  # what each client keeps of its last update that is in the model

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
            state=strategy_state(self._base.state),
            moments=self._base.state,
            photographs=lambda: self._data.kept if self._fused else self._data.dataset,
            device=torch.device(self._plan.compute.device) if self._fused else HOST,
        )
        if self._fused and number != ENROLMENT_ROUND:
            return self._fused_round(before, cohort)
        shards = ShardSums(
            before,
            self._trainer_from_network(),
            cohort,
            self._data.images,
            self._base.model,
            self._base.guidance,
            self._residuals,
            self._anchor,
        )
        try:
            reduced = reduce_partials(shards.in_order(), before)
        except TooFewUpdatesError:
            if shards.failed:
                raise InvalidInputError(next(iter(shards.failed.values()))) from None
            raise
        self._residuals |= shards.new_residuals
        self._base = _Base.of(reduced, self._plan.model.embedding_size)
        if self._plan.anchor and number == ENROLMENT_ROUND:
            self._anchor = deepcopy(self._network).to(self._plan.compute.device).requires_grad_(False)
        return reduced

    def _trainer_from_network(self) -> LocalTrainer:
        """The trainer, whose clients start from what the network is now: on a CPU they train in the network itself."""
        if self._trainer is None:
            self._trainer = LocalTrainer(self._network, torch.device(self._plan.compute.device))
        else:
            self._trainer.start_from(network_tensors(self._network), "the model of the round before")
        return self._trainer

    def _fused_round(self, before: ServerRound, cohort: Sequence[str]) -> ReducedRound:
        base = self._base
        inputs = RoundInputs(
            self._plan,
            before.number,
            self._trainer_from_network(),
            sha256_hex(base.model),
            base.class_embeddings_CD,
            base.guidance,
            cohort,
            self._residuals,
            self._anchor,
        )
        partial, kept = fused_partial(inputs, {client: self._data.images[client] for client in cohort})
        reduced = reduce_partials([partial], before)
        self._residuals |= kept
        self._base = _Base.of(reduced, self._plan.model.embedding_size)
        return reduced


@dataclass(frozen=True)
class _Base:
    """What a round starts from: the result of the round before."""

    model: bytes
    class_embeddings_CD: Tensor
    state: StoredTensors | None = None
    guidance: Tensors = field(default_factory=dict)

    @classmethod
    def of(cls, reduced: ReducedRound, embedding_size: int) -> Self:
        rows = reduced.class_embeddings
        return cls(
            b"".join(reduced.model),
            decode_class_embeddings(rows, embedding_size) if rows else torch.empty(0, embedding_size),
            StoredTensors(io.BytesIO(b"".join(reduced.server_state))) if reduced.server_state else None,
            _decode(reduced.guidance),
        )


def _decode(data: bytes | None) -> Tensors:
    return NOTHING if data is None else decode_tensors(data)[0]
