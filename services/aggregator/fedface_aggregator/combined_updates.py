"""Merges the combined updates of a shard, each the exact sum of some of its clients, into the shard's partial."""

from __future__ import annotations

from collections.abc import Mapping

from fedface_aggregator.read_ahead import ReadAhead
from fedface_aggregator.signed_updates import SignedUpdates
from fedface_core.contracts import object_keys
from fedface_core.domain.errors import UpdateRefusedError
from fedface_core.domain.round import Round
from fedface_core.domain.update import AcceptedUpdate
from fedface_learning.aggregation import StartingPoint, TrainingPartial
from fedface_learning.aggregation.combined_update import combined_limit, read_combined
from fedface_worker.workbench import Workbench


def merge_combined(
    workbench: Workbench, start: StartingPoint, current: Round, accepted: Mapping[str, AcceptedUpdate]
) -> TrainingPartial:
    """The sum of a shard's accepted clients. If an object cannot be used, all clients in it are refused, with the reason."""
    partial = TrainingPartial()
    groups: dict[str, dict[str, AcceptedUpdate]] = {}
    for client, update in accepted.items():
        if partial.admits(client, update, start):
            groups.setdefault(update.group or "", {})[client] = update
    keys = [object_keys.combined_update(current.run_id, current.number, group) for group in groups]
    first_of = dict(zip(keys, (next(iter(members.values())) for members in groups.values()), strict=True))
    signatures = workbench.ports.signatures
    check = SignedUpdates(signatures, first_of).check
    limit = combined_limit(start, len(accepted))
    objects = [(key, update.size) for key, update in first_of.items()]
    with ReadAhead(workbench.ports.artifacts, objects, limit, check, signatures.bytes_behind()) as reading:
        for members in groups.values():
            try:
                partial.merge(read_combined(reading.next_object(), members, start))
            except UpdateRefusedError as error:
                partial.refuse_all(members, error)
    return partial
