"""The fast path of checking an update: a look at its header, and one at its values where they lie.

It only ever answers "certainly good" or "ask the careful check". What it accepts, `careful_check` accepts too, with equal
values, counters and further tensors; what it does not accept may be good or bad. So nothing but time is lost without it.

- A header that is to the byte the one which `encode_tensors` writes for the form has the right names, shapes and types.
- The rough norm is finite only if every value is. If it is clearly within the bound, so is the exact one.
- What is left, small, is held to the careful check's own invariants: the image count, and the further tensors.
"""

from __future__ import annotations

from fedface_core.domain.errors import UpdateRefusedError
from fedface_core.domain.update import AcceptedUpdate
from fedface_learning.updates.careful_check import CheckedUpdate, check_finite, check_image_count, unit_directions
from fedface_learning.updates.form import Blocks, UpdateForm
from fedface_learning.updates.norm import clearly_within, rough_norm


def certainly_good(blocks: Blocks, accepted: AcceptedUpdate, form: UpdateForm, max_norm: float) -> CheckedUpdate | None:
    """The update that the blocks hold, if it is certain that nothing is wrong with it; None says nothing about it.

    Its values stay in the blocks' own memory. An encoded update is never certain.
    """
    update = form.laid_out(blocks) if form.encoding.change is None else None
    if update is None or not clearly_within(rough_norm(form.values_in_place(update), form), max_norm):
        return None
    others = form.not_averaged(update)
    further = {name: others.pop(name) for name in form.further_tensors}
    try:
        check_image_count(update.metadata, accepted)
        for name, tensor in further.items():
            check_finite(name, tensor)
        directions = {name: unit_directions(name, tensor) for name, tensor in further.items()}
    except UpdateRefusedError:
        return None
    return CheckedUpdate(form.values_in_place(update), others, directions)
