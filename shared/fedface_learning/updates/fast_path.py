"""The fast path of checking an update: compare its header, then read its values once, without copying them.

The fast path answers "good" or "unknown". `careful_check` accepts every update that the fast path accepts, with equal
values, counters and further tensors. An update that is unknown may be good or bad. So the fast path changes nothing but the
time.

- If the header equals, byte for byte, what `encode_tensors` writes for the form, names, shapes and dtypes are right.
- The rough norm is finite only if every value is finite. If it is clearly within the bound, so is the exact norm.
- Image count, buffers and further tensors are small, and checked by the careful check's own functions.
"""

from __future__ import annotations

from fedface_core.domain.errors import UpdateRefusedError
from fedface_core.domain.update import AcceptedUpdate
from fedface_learning.updates.careful_check import CheckedUpdate, check_directions, check_image_count
from fedface_learning.updates.form import Blocks, UpdateForm
from fedface_learning.updates.norm import clearly_within, rough_norm


def check_fast(blocks: Blocks, accepted: AcceptedUpdate, form: UpdateForm, max_norm: float) -> CheckedUpdate | None:
    """The update in the blocks, if it is certainly good; None if that is unknown, as for every encoded update.

    The values are not copied; they stay in the blocks' memory.
    """
    update = form.match_layout(blocks) if form.encoding.change is None else None
    if update is None or not clearly_within(rough_norm(form.values_in_place(update), form), max_norm):
        return None
    others = form.not_averaged(update)
    further = {name: others.pop(name) for name in form.further_tensors}
    try:
        check_image_count(update.metadata, accepted)
        form.buffer_ranges.check(form.buffers(update))
        directions = check_directions(further, form)
    except UpdateRefusedError:
        return None
    return CheckedUpdate(form.values_in_place(update), others, directions)
