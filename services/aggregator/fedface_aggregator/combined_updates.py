"""Merges the combined updates of a shard, each the exact sum of some of its clients, into the shard's partial.

Each is checked before a part of it is added, so one that is refused leaves the sum as it was. One that is too large to be
kept in memory meanwhile is read twice: first to be checked, then to be added.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO, Final, cast

from fedface_aggregator.read_again import check_to_read_again
from fedface_aggregator.read_ahead import ReadAhead
from fedface_aggregator.signed_updates import SignedUpdates
from fedface_core.contracts import object_keys
from fedface_core.domain.errors import UpdateRefusedError
from fedface_core.domain.round import Round
from fedface_core.domain.update import AcceptedUpdate
from fedface_core.ports import ArtifactStore
from fedface_learning.aggregation import StartingPoint, TrainingPartial
from fedface_learning.aggregation.combined_update import combined_limit, read_combined
from fedface_learning.formats.block_file import BlockFile, HeldBlocks
from fedface_learning.updates.checks import read_accepted
from fedface_worker.workbench import Workbench

HELD_BYTES: Final = 64 * 2**20
"""A combined update of at most so many bytes is read once. A larger one would take an aggregator's memory beyond its bound
of three models and 100 MB."""


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
    artifacts = workbench.ports.artifacts
    with ReadAhead(artifacts, objects, limit, check, signatures.bytes_behind(), HELD_BYTES) as reading:
        for (key, accepted_of_one), members in zip(first_of.items(), groups.values(), strict=True):
            try:
                file = _checked(artifacts, key, reading.next_object(), accepted_of_one)
                combined = read_combined(file, members, start)
            except UpdateRefusedError as error:
                partial.refuse_all(members, error)
            else:
                partial.merge(combined)
    return partial


def _checked(artifacts: ArtifactStore, key: str, blocks: Iterator[memoryview], accepted: AcceptedUpdate) -> BinaryIO:
    """An object as a file, if it is the accepted one; else `UpdateRefusedError`. It uses the memory of the blocks."""
    if accepted.size > HELD_BYTES:
        return cast("BinaryIO", check_to_read_again(artifacts, key, blocks, accepted))
    return cast("BinaryIO", BlockFile(HeldBlocks(read_accepted(blocks, accepted))))
