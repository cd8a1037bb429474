"""Sums a masked shard, and takes the masks out: what is left is the partial of a shard without masks, or nobody's (ADR 41).

Masks cancel in the sum over the accepted set alone. So if one update of it cannot be added, a mask not be recovered, or the
sum is not one that such clients can have, all clients of the shard are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import structlog

from fedface_aggregator.hand_on import bundles_on
from fedface_aggregator.read_ahead import ReadAhead
from fedface_aggregator.signed_updates import SignedUpdates
from fedface_core.contracts import object_keys
from fedface_core.domain.declaration import check_masked_declaration
from fedface_core.domain.deposit import Deposit
from fedface_core.domain.errors import ArtifactMissingError, DamagedObjectError, InvalidInputError, UpdateRefusedError
from fedface_core.domain.round import Round
from fedface_core.domain.round_kind import RoundKind
from fedface_core.domain.update import AcceptedUpdate, RefusalReason
from fedface_core.secure_aggregation.accepted_set import AcceptedSet
from fedface_core.secure_aggregation.errors import RevealRefusedError, TooFewSharesError
from fedface_core.secure_aggregation.masking_client import Mask
from fedface_core.secure_aggregation.recovery import masks_in_sum
from fedface_core.secure_aggregation.revealing import Revelation
from fedface_core.secure_aggregation.shard_round import ShardRound
from fedface_learning.aggregation import PARTIALS, EnrolmentPartial, Partial, StartingPoint, TrainingPartial
from fedface_learning.aggregation.partial_vector import PartialVector
from fedface_learning.aggregation.sum_checks import check_enrolment_sum, check_training_sum
from fedface_learning.masking import Vector, remove_masks
from fedface_learning.updates.masked_update import add_masked, masked_limit
from fedface_worker.masked_shards import read_accepted_set, read_model, read_roster
from fedface_worker.workbench import Workbench

log = structlog.get_logger(__name__)

_NOT_UNMASKED: Final = (
    *(RevealRefusedError, TooFewSharesError, DamagedObjectError, ArtifactMissingError, InvalidInputError),
)


def sum_masked(
    workbench: Workbench, start: StartingPoint, current: Round, shard: int, accepted: Mapping[str, AcceptedUpdate]
) -> Partial:
    """The partial of a shard's accepted updates; if it cannot be had, of none, and all are refused with the reason."""
    partial = PARTIALS[current.kind]()
    try:
        masks = _masks(workbench, current, shard, accepted)
        form = PartialVector.of(start, current.number)
        total = _summed(workbench, start, current, accepted, form.length)
        remove_masks(total, masks)
        return _checked(form, total, start, accepted)
    except UpdateRefusedError as error:
        partial.refuse_all(accepted, error)
    return partial


def _masks(workbench: Workbench, current: Round, shard: int, accepted: Mapping[str, AcceptedUpdate]) -> list[Mask]:
    """The masks in the sum of the accepted updates. `UpdateRefusedError` if they cannot be had, or must not."""
    artifacts = workbench.ports.artifacts
    try:
        shard_round = workbench.shard_rounds.of(current, shard)
        roster = read_roster(artifacts, shard_round)
        signed = read_accepted_set(artifacts, shard_round)
        _require_recorded(signed, accepted, shard_round)
        bundles = bundles_on(artifacts, shard_round, roster)
        return masks_in_sum(shard_round, roster, bundles, signed, _revelations(workbench, current, accepted))
    except _NOT_UNMASKED as error:
        raise UpdateRefusedError(RefusalReason.NOT_UNMASKED, str(error)) from error


def _require_recorded(signed: AcceptedSet, accepted: Mapping[str, AcceptedUpdate], shard_round: ShardRound) -> None:
    """Clients reveal for the set that was put once. After the loss of the ledger, others may have been accepted."""
    if signed.updates != {client: update.sha256 for client, update in accepted.items()}:
        raise RevealRefusedError(f"the accepted set of {shard_round} in the store is another one than the ledger's")


def _revelations(workbench: Workbench, current: Round, accepted: Mapping[str, AcceptedUpdate]) -> list[Revelation]:
    """What clients have revealed. An object that is not the recorded one does not count: others may be enough."""
    ports = workbench.ports
    recorded = ports.ledger.deposits(current.run_id, current.number, Deposit.REVELATION, sorted(accepted))
    found = []
    for client, sha256 in sorted(recorded.items()):
        key = object_keys.revelation(current.run_id, current.number, client)
        try:
            found.append(read_model(ports.artifacts, key, Revelation, sha256))
        except (DamagedObjectError, ArtifactMissingError) as error:
            log.warning("revelation_refused", client_id=client, reason=str(error))
    return found


def _summed(
    workbench: Workbench,
    start: StartingPoint,
    current: Round,
    accepted: Mapping[str, AcceptedUpdate],
    length: int,
) -> Vector:
    """The sum of the masked updates. `UpdateRefusedError`, which names the client, if one of them cannot be added."""
    clients = sorted(accepted)
    objects = [(object_keys.update(current.run_id, current.number, client), accepted[client].size) for client in clients]
    by_key = {key: accepted[client] for client, (key, _) in zip(clients, objects, strict=True)}
    signatures = workbench.ports.signatures
    check = SignedUpdates(signatures, by_key).check
    total = np.zeros(length, np.uint64)
    with ReadAhead(workbench.ports.artifacts, objects, masked_limit(length), check, signatures.bytes_behind()) as reading:
        for client in clients:
            try:
                _check_record(accepted[client], start, current)
                add_masked(total, reading.next_object(), accepted[client])
            except UpdateRefusedError as error:
                raise UpdateRefusedError(error.reason, f"the update of {client} cannot be summed: {error.detail}") from error
    return total


def _check_record(accepted: AcceptedUpdate, start: StartingPoint, current: Round) -> None:
    check_masked_declaration(accepted)
    expected = start.model_sha256 if current.kind is RoundKind.TRAINING else None
    if accepted.started_from != expected:
        raise UpdateRefusedError(
            RefusalReason.WRONG_MODEL, f"it was trained from {accepted.started_from}, not from {expected}"
        )


def _checked(
    form: PartialVector, total: Vector, start: StartingPoint, accepted: Mapping[str, AcceptedUpdate]
) -> TrainingPartial | EnrolmentPartial:
    partial = form.partial(total, sum(update.size for update in accepted.values()))
    if isinstance(partial, TrainingPartial):
        check_training_sum(partial, start, len(accepted))
    else:
        check_enrolment_sum(partial, start.plan, len(accepted))
    return partial
