"""Reduces a round: averages the partials, spreads class embeddings, and puts the next model version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import structlog
import torch

from fedface_aggregator.fold import fold, sum_updates
from fedface_core.contracts import object_keys
from fedface_core.domain.commands import ReduceRound
from fedface_core.domain.errors import (
    ArtifactMissingError,
    DamagedObjectError,
    InvalidInputError,
    TooFewUpdatesError,
    UnknownSchemaError,
    UnusableModelError,
)
from fedface_core.domain.facts import RoundAggregated
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.results import Aggregation
from fedface_core.domain.round import Round, RoundPhase
from fedface_core.domain.update import AcceptedUpdate, accepted_digest
from fedface_core.runtime.metrics import AGGREGATION_SECONDS, CLIPPED_UPDATES, UPDATES, AggregationStep
from fedface_learning.aggregation import PARTIALS, Partial
from fedface_learning.aggregation.median_clipping import clips_by_median, median_bound, must_be_clipped
from fedface_learning.aggregation.reduce import reduce_partials
from fedface_learning.aggregation.reduced_round import ReducedRound
from fedface_learning.aggregation.server_state import strategy_state
from fedface_learning.formats.class_embeddings import decode_class_embeddings, row_range
from fedface_learning.formats.stored_tensors import StoredTensors
from fedface_learning.models.weights import encode_in_place
from fedface_learning.strategies import ServerRound
from fedface_worker.artifact_files import fetch_artifact, open_artifact
from fedface_worker.checked_artifacts import get_checked
from fedface_worker.failing_steps import counts_failures, failed_step
from fedface_worker.workbench import Workbench

log = structlog.get_logger(__name__)

_ROWS_PER_PUT: Final = 1000  # what shares a signature, and is put again after an outage of the store


@counts_failures
def reduce_round(workbench: Workbench, command: ReduceRound, correlation_id: str) -> None:
    """Put the objects that the round results in, its aggregation last, and report the aggregation to control.

    A task that is delivered again finds the aggregation and only reports it again. If too few updates can be used, the new
    model is of no use, an object that the round started from is damaged, or the strategy cannot read its photographs, the
    failed step is reported.
    """
    ports = workbench.ports
    run = command.run_id
    number = command.round
    current = ports.ledger.load_round(run, number)
    if current.phase is not RoundPhase.AGGREGATING:
        log.info("nothing_to_do", round_phase=current.phase)
        return
    accepted = ports.ledger.accepted(run, number)
    digest = accepted_digest(accepted)
    aggregation = workbench.stored(object_keys.aggregation(run, number, digest), Aggregation)
    if aggregation is None:
        try:
            aggregation = reduce(workbench, workbench.plan(run, correlation_id), current, accepted)
        except (TooFewUpdatesError, UnusableModelError) as error:
            workbench.report(failed_step(command, "", error), correlation_id)
            return
        except (InvalidInputError, DamagedObjectError) as error:
            workbench.report(failed_step(command, "it cannot be reduced", error), correlation_id)
            return
    log.info("round_reduced", model_sha256=aggregation.model_sha256, folded=aggregation.folded)
    workbench.report(
        RoundAggregated(run_id=run, round=number, accepted_digest=digest, aggregation=aggregation), correlation_id
    )


def reduce(workbench: Workbench, plan: Plan, current: Round, accepted: Mapping[str, AcceptedUpdate]) -> Aggregation:
    """Claim the model version of a closed round, put it, class embeddings, server state and guidance, then the aggregation.

    `TooFewUpdatesError` if fewer updates can be used than the round's minimum, `UnusableModelError` if the model gives no
    embeddings. `InvalidInputError` or `DamagedObjectError`
    if an object or a photograph that the round needs cannot be used.
    """
    reduced = _reduced_round(workbench, plan, current, accepted)
    artifacts = workbench.ports.artifacts
    run = current.run_id
    aggregation = reduced.aggregation
    if aggregation.model_sha256 != current.model_sha256:  # else another round has made and claimed it
        artifacts.put(object_keys.claim(aggregation.model_sha256, run), object_keys.claim_of_round(current.number))
    artifacts.put(object_keys.model(aggregation.model_sha256), *reduced.model)
    class_embeddings_sha256 = aggregation.class_embeddings_sha256
    # If no row has moved, the store has W and its rows already: the round started from them.
    if class_embeddings_sha256 is not None and class_embeddings_sha256 != current.class_embeddings_sha256:
        artifacts.put(object_keys.class_embeddings(run, class_embeddings_sha256), reduced.class_embeddings)
        _put_rows(workbench, plan, run, class_embeddings_sha256, reduced.class_embeddings)
    if aggregation.server_state_sha256 is not None:
        artifacts.put(object_keys.server_state(run, aggregation.server_state_sha256), *reduced.server_state)
    if reduced.guidance is not None and aggregation.guidance_sha256 is not None:
        artifacts.put(object_keys.guidance(run, aggregation.guidance_sha256), reduced.guidance)
    key = object_keys.aggregation(run, current.number, accepted_digest(accepted))
    artifacts.put(key, aggregation.model_dump_json(indent=1).encode())
    return aggregation


def _put_rows(workbench: Workbench, plan: Plan, run: str, sha256: str, class_embeddings: bytes) -> None:
    """Put the row of each enrolled client as an object of its own, so that nobody but the aggregator need read all rows."""
    rows = memoryview(class_embeddings)
    waiting: dict[str, Sequence[memoryview]] = {}
    for index in range(plan.split.clients):
        first, length = row_range(index, plan.model.embedding_size)
        row = rows[first : first + length]
        if any(row):  # the row of a client that is not enrolled is zero, and it trains in no round
            waiting[object_keys.row(run, sha256, client_id(index))] = (row,)
        if len(waiting) == _ROWS_PER_PUT:
            workbench.ports.artifacts.put_all(waiting)
            waiting = {}
    workbench.ports.artifacts.put_all(waiting)


def _reduced_round(workbench: Workbench, plan: Plan, current: Round, accepted: Mapping[str, AcceptedUpdate]) -> ReducedRound:
    with AGGREGATION_SECONDS.labels(AggregationStep.REDUCE).time():
        server_round = _server_round(workbench, plan, current)
        partials = _Partials(workbench, plan, current, accepted)
        try:
            reduced = reduce_partials(partials.in_order(), server_round, encode_in_place)
        finally:
            workbench.models.forget_network()  # no other task of an aggregator needs it, and it has been changed
    partials.count_what_became_of_updates(reduced.aggregation)
    if reduced.aggregation.folded < current.minimum:
        raise TooFewUpdatesError(reduced.aggregation.folded, current.minimum, reduced.aggregation.refused)
    return reduced


def _server_round(workbench: Workbench, plan: Plan, current: Round) -> ServerRound:
    """The model version, class embeddings and server state that the round started from."""
    artifacts = workbench.ports.artifacts
    run = current.run_id
    size = plan.model.embedding_size
    class_embeddings_CD = torch.empty(0, size)
    stored: StoredTensors | None = None
    if current.class_embeddings_sha256 is not None:
        sha256 = current.class_embeddings_sha256
        data = get_checked(artifacts, object_keys.class_embeddings(run, sha256), sha256)
        class_embeddings_CD = decode_class_embeddings(data, size)
    if current.server_state_sha256 is not None:
        sha256 = current.server_state_sha256
        stored = StoredTensors(fetch_artifact(artifacts, object_keys.server_state(run, sha256), sha256))
    return ServerRound(
        plan=plan,
        number=current.number,
        network=workbench.models.network(plan.model, current.model_sha256),
        class_embeddings_CD=class_embeddings_CD,
        uploaded={},
        state=strategy_state(stored),
        moments=stored,
        photographs=lambda: workbench.photographs(plan, current).dataset,
    )


class _Partials:
    """The partials of a round's shards with accepted updates."""

    def __init__(self, workbench: Workbench, plan: Plan, current: Round, accepted: Mapping[str, AcceptedUpdate]) -> None:
        self._workbench = workbench
        self._plan = plan
        self._current = current
        members = {shard: current.shard_members(shard) for shard in range(current.shards)}
        of_shard = {
            shard: {client: accepted[client] for client in clients if client in accepted}
            for shard, clients in members.items()
        }
        self._accepted = {shard: updates for shard, updates in of_shard.items() if updates}
        self._refused: set[str] = set()

    def in_order(self) -> Iterator[Partial]:
        """The partials in shard order, one at a time.

        If the plan clips by the median, all are read before, because the median is that of the whole round. A shard with an
        update that must be clipped is summed once more.
        """
        norms: dict[str, float] = {}
        if clips_by_median(self._plan):
            for shard in self._accepted:
                norms |= self._stored(shard).norms
        bound = median_bound(self._plan, norms)
        for shard, accepted in self._accepted.items():
            partial = self._stored(shard)
            if must_be_clipped(partial.norms, bound):
                partial = sum_updates(self._workbench, self._plan, self._current, accepted, bound)
            self._refused |= partial.refused.keys()
            yield partial

    def count_what_became_of_updates(self, aggregation: Aggregation) -> None:
        """Count and log the updates that were clipped, and those that were refused when the partials were merged."""
        for client, reason in aggregation.refused.items():
            if client not in self._refused:  # else it was counted when its shard was folded
                UPDATES.labels("refused", reason).inc()
                log.warning("update_refused", client_id=client, reason=reason)
        for client, norm in aggregation.clipped.items():
            CLIPPED_UPDATES.inc()
            log.warning("update_clipped", client_id=client, norm=norm)

    def _stored(self, shard: int) -> Partial:
        """The partial of a shard. One that is missing, damaged, or of another version of FedFace is folded again.

        It is missing if the worker that recorded its shard as folded had read an older accepted set.
        """
        partial_class = PARTIALS[self._current.kind]
        artifacts = self._workbench.ports.artifacts
        accepted = self._accepted[shard]
        key = object_keys.partial(self._current.run_id, self._current.number, shard, accepted_digest(accepted))
        try:
            return partial_class.read(open_artifact(artifacts, key))
        except (ArtifactMissingError, DamagedObjectError, UnknownSchemaError) as error:
            log.warning("folded_again", shard=shard, reason=str(error))
            fold(self._workbench, self._plan, self._current, key, accepted)
            return partial_class.read(open_artifact(artifacts, key))
