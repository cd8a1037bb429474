"""Folds a shard: its accepted updates, one at a time and in client order, into its partial."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog

from fedface_core.contracts import object_keys
from fedface_core.domain.commands import FoldShard, ReduceRound
from fedface_core.domain.errors import ArtifactMissingError, InvalidInputError, UpdateRefusedError
from fedface_core.domain.events import StepFailed
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import Round, RoundPhase
from fedface_core.domain.update import AcceptedUpdate, RefusalReason, accepted_digest
from fedface_core.learning.enrolment_fold import EnrolmentPartial
from fedface_core.learning.strategies import strategy_of
from fedface_core.learning.training_fold import TrainingPartial
from fedface_core.learning.update_checks import enrolment_reference, further_reference, size_limit
from fedface_core.learning.update_encoding import update_encoding_of
from fedface_core.ports import ArtifactStore, RunLedger
from fedface_core.runtime.metrics import AGGREGATION_SECONDS, UPDATES
from fedface_core.runtime.workbench import Workbench

log = structlog.get_logger(__name__)


def fold_shard(bench: Workbench, command: FoldShard, correlation_id: str) -> None:
    """Put the shard's partial and record it; the task that completes a closed round has it reduced.

    What its clients started from may be damaged: that ends the run, with the reason.
    """
    ports, run, number, shard = bench.ports, command.run_id, command.round, command.shard
    current = ports.ledger.load_round(run, number)
    if current.phase not in (RoundPhase.OPEN, RoundPhase.AGGREGATING):
        log.info("nothing_to_do", round_phase=current.phase)
        return
    accepted = ports.ledger.accepted(run, number, current.shard_members(shard))
    if not _final(ports.ledger, current, shard, accepted):
        log.warning("shard_not_settled")  # a stray message: folding now would leave out who is still to come
        return
    key = object_keys.partial(run, number, shard, accepted_digest(accepted))
    if not _stored(ports.artifacts, key):
        try:
            fold(bench, bench.plan(run, correlation_id), current, key, accepted)
        except InvalidInputError as error:
            failed = StepFailed(run_id=run, round=number, reason=f"its updates cannot be summed: {error}")
            bench.report(failed, correlation_id)
            return
    if ports.ledger.record_partial(run, number, shard, ports.clock.now()):
        ports.publisher.publish(ReduceRound(run_id=run, round=number), correlation_id=correlation_id)


def _stored(artifacts: ArtifactStore, key: str) -> bool:
    """An earlier delivery put the partial: folding again would only write the same bytes."""
    try:
        return artifacts.size(key) > 0
    except ArtifactMissingError:
        return False


def fold(bench: Workbench, plan: Plan, current: Round, key: str, accepted: Mapping[str, AcceptedUpdate]) -> bytes:
    """Sum a shard's accepted updates, and put the partial under ``key``; returns its bytes."""
    with AGGREGATION_SECONDS.labels("fold").time():
        data, refused = _partial(bench, plan, current, accepted)
    for client, reason in refused.items():
        UPDATES.labels("refused", reason).inc()
        log.warning("update_refused", client_id=client, reason=reason)
    bench.ports.artifacts.put(key, data)
    log.info("shard_folded", updates=len(accepted) - len(refused))
    return data


def _final(ledger: RunLedger, current: Round, shard: int, accepted: Mapping[str, AcceptedUpdate]) -> bool:
    """The shard's accepted set cannot change any more: the round is closed, or all its members have settled."""
    if current.phase is not RoundPhase.OPEN:
        return True
    return set(current.shard_members(shard)) <= accepted.keys() | ledger.failed(current.run_id, current.number).keys()


def _partial(
    bench: Workbench, plan: Plan, current: Round, accepted: Mapping[str, AcceptedUpdate]
) -> tuple[bytes, dict[str, str]]:
    """The partial's bytes, and the updates it refused."""
    artifacts = bench.ports.artifacts
    if current.number == 0:
        enrolment = EnrolmentPartial()
        limit = size_limit(enrolment_reference(plan.model.embedding_size))
        fetch = _fetch(artifacts, current, limit)
        for client, update in accepted.items():
            enrolment.fold(client, update, fetch, plan.model.embedding_size)
        return enrolment.encode(), enrolment.refused
    training = TrainingPartial()
    further, encoding = further_reference(strategy_of(plan).upload_shapes(plan)), update_encoding_of(plan)
    # By the round that the client started from, so that one model at a time is in memory; then in client order.
    for client in sorted(accepted, key=lambda client: (current.base_of(client), client)):
        base = current.base_of(client)
        started_from = current if base == current.number else bench.ports.ledger.load_round(current.run_id, base)
        if accepted[client].started_from != started_from.model_sha256:
            training.refused[client] = RefusalReason.WRONG_MODEL
            continue
        reference = bench.models.tensors(started_from.model_sha256)
        fetch = _fetch(artifacts, current, size_limit(encoding.layout(reference), further))
        weight = plan.aggregation.weight_of(current.number - base) if plan.aggregation.waits_for_nobody else None
        bound = plan.cohort.max_update_norm
        training.fold(client, accepted[client], fetch, reference, bound, weight, further, encoding)
    return training.encode(), training.refused


def _fetch(artifacts: ArtifactStore, current: Round, limit: int) -> Callable[[str], bytes]:
    """Reads a client's update, once its size is known to be bearable."""

    def fetch(client: str) -> bytes:
        key = object_keys.update(current.run_id, current.base_of(client), client)
        try:
            size = artifacts.size(key)
            if size > limit:
                raise UpdateRefusedError(RefusalReason.TOO_LARGE, f"{key} has {size} bytes; at most {limit} are allowed")
            return artifacts.get(key)
        except ArtifactMissingError as error:
            raise UpdateRefusedError(RefusalReason.MISSING, str(error)) from error

    return fetch
