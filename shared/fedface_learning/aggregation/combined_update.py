"""A combined update: the exact sum of several clients' contributions, as one object that the worker which trained them puts.

It is a partial of a few clients, so the aggregator merges it as it is, and the model has the bytes of the other way. The
worker has checked what is checked of single updates (norm, ranges, finite values); the aggregator cannot. So combined
updates are for simulations.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping

from fedface_core.domain.errors import DamagedObjectError, UnknownSchemaError, UpdateRefusedError
from fedface_core.domain.update import AcceptedUpdate, RefusalReason, group_digest
from fedface_learning.aggregation.exact_sum import ExactSum
from fedface_learning.aggregation.partial import StartingPoint
from fedface_learning.aggregation.training_partial import TrainingPartial
from fedface_learning.updates.checks import read_accepted, refusing_what_fails

_BYTES_OF_A_CLIENT = 4096
"""More than a client's entries in the header have: its name, a reason, and names and shapes of further tensors."""


def combined_limit(start: StartingPoint, clients: int) -> int:
    """The largest size in bytes of a combined update of so many clients: a sum has eight bytes a value, an update four."""
    form = start.trained_form
    further = sum(tensor.nbytes for tensor in form.further_tensors.values())
    return 2 * form.size_limit + clients * (_BYTES_OF_A_CLIENT + further)


def read_combined(
    blocks: Iterable[memoryview], members: Mapping[str, AcceptedUpdate], start: StartingPoint
) -> TrainingPartial:
    """The partial in a combined update of exactly these clients, each with what was accepted of it.

    `UpdateRefusedError` if the object is not the one accepted, if others are in it, or if its sum does not fit the plan.
    """
    accepted = next(iter(members.values()))
    if {update.group for update in members.values()} != {group_digest(members)}:
        raise UpdateRefusedError(
            RefusalReason.CHANGED, f"the combined update {accepted.group} was not accepted of exactly the clients in it"
        )
    data = b"".join(read_accepted(blocks, accepted))
    with refusing_what_fails():
        try:
            partial = TrainingPartial.read(io.BytesIO(data))
        except (DamagedObjectError, UnknownSchemaError) as error:
            raise UpdateRefusedError(RefusalReason.MALFORMED, str(error)) from error
        _require_of(partial, members)
        if partial.folded:
            _require_sum_of(partial.changes, start)
    partial.size = accepted.size
    return partial


def _require_of(partial: TrainingPartial, members: Mapping[str, AcceptedUpdate]) -> None:
    """`UpdateRefusedError` if the partial is of other clients or images than those that were accepted."""
    if not (partial.refused.keys() | partial.uploaded.keys()) <= members.keys():
        raise UpdateRefusedError(RefusalReason.WRONG_TENSORS, "a combined update names clients that are not in it")
    images = sum(update.declared_images for client, update in members.items() if client not in partial.refused)
    found = (partial.folded + len(partial.refused), partial.images)
    if found != (len(members), images):
        raise UpdateRefusedError(
            RefusalReason.WRONG_IMAGE_COUNT,
            f"a combined update of {found[0]} clients with {found[1]} images; {len(members)} with {images} were accepted",
        )


def _require_sum_of(changes: ExactSum, start: StartingPoint) -> None:
    """`UpdateRefusedError` if the sum has another unit, length or other counters than those of the plan's network."""
    form = start.trained_form
    counters = {name for name, like in form.model.items() if not like.is_floating_point()}
    found = (changes.fraction_bits, changes.length, set(changes.counters()))
    if found != (start.plan.fraction_bits, form.averaged_values, counters):
        raise UpdateRefusedError(
            RefusalReason.WRONG_SHAPE,
            f"a combined update sums {changes.length} values in units of 2^-{changes.fraction_bits}, with {len(found[2])} "
            f"counters; the plan has {form.averaged_values} in units of 2^-{start.plan.fraction_bits}, and {len(counters)}",
        )
