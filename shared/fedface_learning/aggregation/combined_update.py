"""A combined update: the exact sum of several clients' contributions, as one object that the worker which trained them puts.

It is a partial of a few clients, so the aggregator merges it as it is, and the model has the bytes of the other way. Its sum
is twice as large as a model, so it is neither joined nor decoded: once all else is checked, it is merged part by part. The
worker has checked what is checked of single updates (norm, ranges, finite values); the aggregator cannot. So combined
updates are for simulations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import BinaryIO

from fedface_core.domain.errors import DamagedObjectError, UnknownSchemaError, UpdateRefusedError
from fedface_core.domain.update import AcceptedUpdate, RefusalReason, group_digest
from fedface_learning.aggregation.exact_sum import ExactSum
from fedface_learning.aggregation.partial import StartingPoint
from fedface_learning.aggregation.training_partial import TrainingPartial
from fedface_learning.strategies import Tensors
from fedface_learning.updates.careful_check import check_directions, check_dtype, check_names, check_shape
from fedface_learning.updates.checks import refusing_what_fails
from fedface_learning.updates.form import UpdateForm

_BYTES_OF_A_CLIENT = 4096
"""More than a client's entries in the header have: its name, a reason, and names and shapes of further tensors."""


def combined_limit(start: StartingPoint, clients: int) -> int:
    """The largest size in bytes of a combined update of so many clients: a sum has eight bytes a value, an update four."""
    form = start.trained_form
    further = sum(tensor.nbytes for tensor in form.further_tensors.values())
    return 2 * form.size_limit + clients * (_BYTES_OF_A_CLIENT + further)


def read_combined(file: BinaryIO, members: Mapping[str, AcceptedUpdate], start: StartingPoint) -> TrainingPartial:
    """The partial in a combined update of exactly these clients, each with what was accepted of it.

    ``file`` is the object, which must be the accepted one: its size and SHA-256 are not checked here. Of the object's own
    numbers only the sum is used; whatever follows from what was accepted is counted from that. The sum is read from the file
    when the partial is merged into another, and nothing that could refuse it is left to that. `UpdateRefusedError` if others
    are in the object, or if anything in it does not fit the plan and what was accepted.
    """
    accepted = next(iter(members.values()))
    if {update.group for update in members.values()} != {group_digest(members)}:
        raise UpdateRefusedError(
            RefusalReason.CHANGED, f"the combined update {accepted.group} was not accepted of exactly the clients in it"
        )
    with refusing_what_fails():
        try:
            found = TrainingPartial.read(file)
        except (DamagedObjectError, UnknownSchemaError) as error:
            raise UpdateRefusedError(RefusalReason.MALFORMED, str(error)) from error
        partial = _counted(found, members, start)
        if partial.folded:
            _require_sum_of(found.changes, start)
            partial.changes = found.changes
    partial.size = accepted.size
    return partial


def _counted(found: TrainingPartial, members: Mapping[str, AcceptedUpdate], start: StartingPoint) -> TrainingPartial:
    """What a combined update must be, but for its sum. `UpdateRefusedError` if it says something else."""
    if not (found.refused.keys() | found.uploaded.keys()) <= members.keys():
        raise UpdateRefusedError(RefusalReason.WRONG_TENSORS, "a combined update names clients that are not in it")
    if found.clipped or found.norms or found.sums is not None:
        raise UpdateRefusedError(RefusalReason.MALFORMED, "a combined update has neither norms nor class sums; this one has")
    counted = TrainingPartial(refused={client: RefusalReason(reason) for client, reason in found.refused.items()})
    for client, update in members.items():
        if client not in found.refused:
            counted.count(client, update, _checked(client, found.uploaded.get(client, {}), start.trained_form), start)
    if (found.folded, found.images) != (counted.folded, counted.images):
        raise UpdateRefusedError(
            RefusalReason.WRONG_IMAGE_COUNT,
            f"a combined update of {found.folded} clients with {found.images} images, and {len(found.refused)} that are "
            f"refused; those that were accepted are {counted.folded} with {counted.images}",
        )
    if (found.loss_before, found.loss_after) != (counted.loss_before, counted.loss_after):
        raise UpdateRefusedError(
            RefusalReason.MALFORMED, "a combined update has other losses than its clients' accepted ones"
        )
    return counted


def _checked(client: str, uploaded: Tensors, form: UpdateForm) -> Tensors:
    """The tensors that a client has uploaded beside its model, as the worker made them from the update."""
    check_names(uploaded, form.further_tensors)
    for name, like in form.further_tensors.items():
        check_shape(f"{client}/{name}", uploaded[name], like)
        check_dtype(f"{client}/{name}", uploaded[name], like)
    check_directions(uploaded, form)  # its answer is not used: to make a direction of a direction may round it once more
    return uploaded


def _require_sum_of(changes: ExactSum, start: StartingPoint) -> None:
    """`UpdateRefusedError` if the sum has another unit, length or other counters than those of the plan's network."""
    form = start.trained_form
    counters = {name: like for name, like in form.model.items() if not like.is_floating_point()}
    found = changes.counters()
    if (changes.fraction_bits, changes.length, found.keys()) != (
        start.plan.fraction_bits,
        form.averaged_values,
        counters.keys(),
    ):
        raise UpdateRefusedError(
            RefusalReason.WRONG_SHAPE,
            f"a combined update sums {changes.length} values in units of 2^-{changes.fraction_bits}, with {len(found)} "
            f"counters; the plan has {form.averaged_values} in units of 2^-{start.plan.fraction_bits}, and {len(counters)}",
        )
    for name, like in counters.items():
        check_shape(name, found[name], like)
        check_dtype(name, found[name], like)
