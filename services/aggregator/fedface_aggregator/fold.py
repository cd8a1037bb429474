"""Folds a shard: sums its accepted updates exactly, one at a time, and puts the sum as the shard's partial.

Only the aggregator writes partials (`fedface_core.contracts.object_keys` says which service writes which object). A shard is
folded when its accepted set is final: all its members have settled, or the round is closed.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

import structlog

from fedface_aggregator.combined_updates import merge_combined
from fedface_aggregator.masked_sum import sum_masked
from fedface_aggregator.read_ahead import ReadAhead
from fedface_aggregator.signed_updates import SignedUpdates
from fedface_core.contracts import object_keys
from fedface_core.domain.commands import FoldShard, ReduceRound
from fedface_core.domain.errors import ArtifactMissingError, DamagedObjectError, InvalidInputError
from fedface_core.domain.plan import Plan
from fedface_core.domain.reasons import masked, shortened
from fedface_core.domain.round import Round, RoundPhase
from fedface_core.domain.round_kind import RoundKind
from fedface_core.domain.update import AcceptedUpdate, accepted_digest
from fedface_core.ports import ArtifactStore, RoundSettlement
from fedface_core.runtime.metrics import AGGREGATION_SECONDS, UPDATES, AggregationStep
from fedface_core.signing.errors import SignatureError
from fedface_learning.aggregation import PARTIALS, Partial, StartingPoint
from fedface_worker.failing_steps import counts_failures, failed_step
from fedface_worker.workbench import Workbench

log = structlog.get_logger(__name__)


@counts_failures
def fold_shard(workbench: Workbench, command: FoldShard, correlation_id: str) -> None:
    """Put the shard's partial and record it in the ledger. If that was the closed round's last shard, have it reduced.

    If a model version that the clients started from is damaged, the failed step is reported, which ends the run.
    """
    ports = workbench.ports
    run = command.run_id
    number = command.round
    shard = command.shard
    current = workbench.current_round(run, number)
    waits_for = (RoundPhase.AGGREGATING,) if current.masks is not None else (RoundPhase.OPEN, RoundPhase.AGGREGATING)
    if current.phase not in waits_for:
        log.info("nothing_to_do", round_phase=current.phase)
        return
    if shard >= current.shards:
        log.warning("no_such_shard")  # a stray message, which would put a partial of nothing
        return
    accepted = ports.ledger.accepted(run, number, current.shard_members(shard))
    if not _is_final(ports.ledger, current, shard, accepted):
        log.warning("shard_not_settled")  # a stray message: folding now would leave out clients that may still be accepted
        return
    key = object_keys.partial(run, number, shard, accepted_digest(accepted))
    if not _is_stored(ports.artifacts, key):
        try:
            fold(workbench, workbench.plan(run, correlation_id), current, key, accepted)
        except (InvalidInputError, DamagedObjectError) as error:
            workbench.report(failed_step(command, "its updates cannot be summed", error), correlation_id)
            return
    if ports.ledger.record_partial(run, number, shard):
        ports.publisher.publish(ReduceRound(run_id=run, round=number), correlation_id=correlation_id)


def _is_stored(artifacts: ArtifactStore, key: str) -> bool:
    """Whether an earlier delivery of the task has put the partial. Folding again would only write the same bytes.

    What lies there and no aggregator has signed is no partial.
    """
    try:
        return artifacts.size(key) > 0
    except ArtifactMissingError:
        return False
    except SignatureError as error:
        log.warning("object_not_believed", key=key, reason=str(error))
        return False


def fold(workbench: Workbench, plan: Plan, current: Round, key: str, accepted: Mapping[str, AcceptedUpdate]) -> None:
    """Sum a shard's accepted updates and put the partial under ``key``. Each update that is refused is counted and logged.

    `InvalidInputError` or `DamagedObjectError` if a model version that clients started from cannot be used.
    """
    with AGGREGATION_SECONDS.labels(AggregationStep.FOLD).time():
        partial = sum_updates(workbench, plan, current, accepted)
    for client, reason in partial.refused.items():
        UPDATES.labels("refused", reason).inc()
        detail = shortened(masked(partial.details.get(client, "")))
        log.warning("update_refused", client_id=client, reason=reason, detail=detail)
    workbench.ports.artifacts.put(key, *partial.encoded_parts())
    log.info("shard_folded", updates=len(accepted) - len(partial.refused))


def _is_final(ledger: RoundSettlement, current: Round, shard: int, accepted: Mapping[str, AcceptedUpdate]) -> bool:
    """Whether the shard's accepted set cannot change any more: the round is closed, or all its members have settled."""
    if current.phase is not RoundPhase.OPEN:
        return True
    missing = set(current.shard_members(shard)) - accepted.keys()
    # Only if some are missing is it worth to read which clients have failed, of the whole cohort.
    return not missing or missing <= ledger.failed(current.run_id, current.number).keys()


def sum_updates(
    workbench: Workbench,
    plan: Plan,
    current: Round,
    accepted: Mapping[str, AcceptedUpdate],
    median_bound: float | None = None,
) -> Partial:
    """The sum of a shard's accepted updates. Each of them that cannot be used is refused, whatever is wrong with it.

    ``median_bound`` is the norm at which the round's updates are clipped, once it is known. Errors as `fold` raises them.
    """
    if plan.secure_aggregation is not None and accepted:
        start = _starting_point(workbench, plan, current, current.number, None, {})
        return sum_masked(workbench, start, current, current.shard_of_each()[next(iter(accepted))], accepted)
    if plan.delivery == "combined" and current.kind is RoundKind.TRAINING:
        start = _starting_point(workbench, plan, current, current.number, median_bound, {})
        return merge_combined(workbench, start, current, accepted)
    partial = PARTIALS[current.kind]()
    kept = _kept(workbench, plan, current, accepted)
    # First by the round that the client started from, so that one model at a time is in memory; then in client order.
    for base, clients in groupby(sorted(accepted, key=lambda client: (current.base_of(client), client)), current.base_of):
        start = _starting_point(workbench, plan, current, base, median_bound, kept)
        admitted = [client for client in clients if partial.admits(client, accepted[client], start)]
        objects = [(object_keys.update(current.run_id, base, client), accepted[client].size) for client in admitted]
        by_key = {key: accepted[client] for client, (key, _) in zip(admitted, objects, strict=True)}
        signed = SignedUpdates(workbench.ports.signatures, by_key)
        limit = partial.size_limit(start)
        behind = workbench.ports.signatures.bytes_behind()
        with ReadAhead(workbench.ports.artifacts, objects, limit, signed.check, behind) as reading:
            for client in admitted:
                partial.fold(client, accepted[client], reading.next_object(), start)
    return partial


def _kept(workbench: Workbench, plan: Plan, current: Round, accepted: Mapping[str, AcceptedUpdate]) -> dict[str, str]:
    """Client → the SHA-256 of the residual that it goes on from, if class embeddings stay with their clients."""
    if not plan.only_sums:
        return {}
    left_by: dict[int, list[str]] = {}
    for client in accepted:
        if (number := current.residuals.get(client)) is not None:
            left_by.setdefault(number, []).append(client)
    ledger = workbench.ports.ledger
    kept = [ledger.accepted(current.run_id, number, clients).items() for number, clients in left_by.items()]
    return {client: sha256 for items in kept for client, update in items if (sha256 := update.residual_sha256)}


def _starting_point(
    workbench: Workbench,
    plan: Plan,
    current: Round,
    base: int,
    median_bound: float | None,
    kept: Mapping[str, str],
) -> StartingPoint:
    """What clients started from whose task came from round ``base``."""
    base_round = current if base == current.number else workbench.ports.ledger.load_round(current.run_id, base)
    model_sha256 = base_round.model_sha256
    return StartingPoint(
        plan, model_sha256, lambda: workbench.models.reference(model_sha256), current.number - base, median_bound, kept
    )
