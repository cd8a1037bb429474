"""Reduces a round: averages the partials in shard order, spreads class embeddings, and puts the next model version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import structlog
import torch

from fedface_aggregator.fold import fold
from fedface_core.contracts import object_keys
from fedface_core.domain.commands import ReduceRound
from fedface_core.domain.errors import ArtifactMissingError, DamagedObjectError, InvalidInputError, TooFewUpdatesError
from fedface_core.domain.facts import RoundAggregated, StepFailed
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.results import Aggregation
from fedface_core.domain.round import Round, RoundPhase
from fedface_core.domain.update import AcceptedUpdate, accepted_digest
from fedface_core.runtime.metrics import AGGREGATION_SECONDS, AggregationStep
from fedface_learning.aggregation import PARTIALS, Partial
from fedface_learning.aggregation.reduce import reduce_partials
from fedface_learning.aggregation.reduced_round import ReducedRound
from fedface_learning.formats.class_embeddings import decode_class_embeddings, row_range
from fedface_learning.formats.codec import decode_tensors
from fedface_learning.strategies import NOTHING, ServerRound
from fedface_worker.artifact_files import open_artifact
from fedface_worker.checked_artifacts import get_checked
from fedface_worker.failing_steps import counts_failures
from fedface_worker.workbench import Workbench

log = structlog.get_logger(__name__)


@counts_failures
def reduce_round(workbench: Workbench, command: ReduceRound, correlation_id: str) -> None:
    """Put the objects that the round results in, its aggregation last, and report the aggregation to control.

    A task that is delivered again finds the aggregation and only reports it again. If too few updates can be used, an object
    that the round started from is damaged, or the strategy cannot read its photographs, the failed step is reported.
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
        except TooFewUpdatesError as error:
            failed = StepFailed(run_id=run, round=number, reason=str(error), fresh_cohort_may_help=True)
            workbench.report(failed, correlation_id)
            return
        except (InvalidInputError, DamagedObjectError) as error:
            workbench.report(StepFailed(run_id=run, round=number, reason=f"it cannot be reduced: {error}"), correlation_id)
            return
    log.info("round_reduced", model_sha256=aggregation.model_sha256, folded=aggregation.folded)
    workbench.report(
        RoundAggregated(run_id=run, round=number, accepted_digest=digest, aggregation=aggregation), correlation_id
    )


def reduce(workbench: Workbench, plan: Plan, current: Round, accepted: Mapping[str, AcceptedUpdate]) -> Aggregation:
    """Claim the model version of a closed round, put it, class embeddings, server state and guidance, then the aggregation.

    `TooFewUpdatesError` if fewer updates can be used than the round's minimum. `InvalidInputError` or `DamagedObjectError`
    if an object or a photograph that the round needs cannot be used.
    """
    reduced = _reduced_round(workbench, plan, current, accepted)
    artifacts = workbench.ports.artifacts
    run = current.run_id
    aggregation = reduced.aggregation
    artifacts.put(object_keys.claim(aggregation.model_sha256, run), b"")
    artifacts.put(object_keys.model(aggregation.model_sha256), reduced.model)
    artifacts.put(object_keys.class_embeddings(run, aggregation.class_embeddings_sha256), reduced.class_embeddings)
    _put_rows(workbench, plan, run, reduced)
    if reduced.server_state is not None and aggregation.server_state_sha256 is not None:
        artifacts.put(object_keys.server_state(run, aggregation.server_state_sha256), reduced.server_state)
    if reduced.guidance is not None and aggregation.guidance_sha256 is not None:
        artifacts.put(object_keys.guidance(run, aggregation.guidance_sha256), reduced.guidance)
    key = object_keys.aggregation(run, current.number, accepted_digest(accepted))
    artifacts.put(key, aggregation.model_dump_json(indent=1).encode())
    return aggregation


def _put_rows(workbench: Workbench, plan: Plan, run: str, reduced: ReducedRound) -> None:
    """Put the row of each enrolled client as an object of its own, so that nobody but the aggregator need read all rows."""
    rows = memoryview(reduced.class_embeddings)
    for index in range(plan.split.clients):
        first, length = row_range(index, plan.model.embedding_size)
        row = rows[first : first + length]
        if any(row):  # the row of a client that is not enrolled is zero, and it trains in no round
            key = object_keys.row(run, reduced.aggregation.class_embeddings_sha256, client_id(index))
            workbench.ports.artifacts.put(key, row)


def _reduced_round(workbench: Workbench, plan: Plan, current: Round, accepted: Mapping[str, AcceptedUpdate]) -> ReducedRound:
    with AGGREGATION_SECONDS.labels(AggregationStep.REDUCE).time():
        server_round = _server_round(workbench, plan, current)
        reduced = reduce_partials(_partials(workbench, plan, current, accepted), server_round)
    workbench.models.forget_network()  # no other task of an aggregator needs it
    if reduced.aggregation.folded < current.minimum:
        raise TooFewUpdatesError(reduced.aggregation.folded, current.minimum, reduced.aggregation.refused)
    return reduced


def _server_round(workbench: Workbench, plan: Plan, current: Round) -> ServerRound:
    """The model version, class embeddings and server state that the round started from."""
    artifacts = workbench.ports.artifacts
    run = current.run_id
    size = plan.model.embedding_size
    class_embeddings_CD = torch.empty(0, size)
    state = NOTHING
    if current.class_embeddings_sha256 is not None:
        sha256 = current.class_embeddings_sha256
        data = get_checked(artifacts, object_keys.class_embeddings(run, sha256), sha256)
        class_embeddings_CD = decode_class_embeddings(data, size)
    if current.server_state_sha256 is not None:
        sha256 = current.server_state_sha256
        state, _ = decode_tensors(get_checked(artifacts, object_keys.server_state(run, sha256), sha256))
    return ServerRound(
        plan=plan,
        number=current.number,
        network=workbench.models.network(plan.model, current.model_sha256),
        class_embeddings_CD=class_embeddings_CD,
        uploaded={},
        state=state,
        photographs=lambda: workbench.photographs(plan, current).dataset,
    )


def _partials(workbench: Workbench, plan: Plan, current: Round, accepted: Mapping[str, AcceptedUpdate]) -> Iterator[Partial]:
    """The partials of the shards with accepted updates, in shard order, one at a time.

    A partial that is missing or damaged is folded again. It is missing if the worker that recorded its shard as folded had
    read an older accepted set.
    """
    partial_class = PARTIALS[current.kind]
    for shard in range(current.shards):
        of_shard = {client: accepted[client] for client in current.shard_members(shard) if client in accepted}
        if not of_shard:
            continue
        key = object_keys.partial(current.run_id, current.number, shard, accepted_digest(of_shard))
        try:
            partial = partial_class.read(open_artifact(workbench.ports.artifacts, key))
        except (ArtifactMissingError, DamagedObjectError) as error:
            log.warning("folded_again", shard=shard, reason=str(error))
            fold(workbench, plan, current, key, of_shard)
            partial = partial_class.read(open_artifact(workbench.ports.artifacts, key))
        yield partial
