"""From a client's update to the vector that it masks: the client checks its update itself, as nobody else can."""

from __future__ import annotations

import io
from dataclasses import replace

from fedface_core.domain.errors import UpdateRefusedError
from fedface_core.domain.round_kind import RoundKind
from fedface_core.domain.update import RefusalReason
from fedface_learning.aggregation import PARTIALS, StartingPoint
from fedface_learning.aggregation.partial_vector import PartialVector
from fedface_learning.client.update import Update
from fedface_learning.formats.codec import sha256_hex
from fedface_learning.formats.stored_tensors import StoredTensors
from fedface_learning.masking import Vector
from fedface_learning.objectives.class_sums import BEFORE_AND_AFTER
from fedface_learning.updates.class_parts import encode_kept
from fedface_learning.updates.form import in_one_block


def vector_of(client: str, update: Update, start: StartingPoint, number: int) -> Vector:
    """The vector (V,) of a client's update in round ``number``, which began at ``start``: what it adds to a partial.

    The update is checked and folded as an aggregator would. `UpdateRefusedError` if it would refuse it.
    """
    kind = RoundKind.of(number)
    if kind is RoundKind.TRAINING:
        # Nobody else can compare what is taken out of the class sums with what was put in. The client has trained with it.
        before_D, _ = StoredTensors(io.BytesIO(update.data)).tensor(BEFORE_AND_AFTER)
        start = replace(start, kept={client: sha256_hex(encode_kept(before_D))})
    partial = PARTIALS[kind]()
    partial.fold(client, update.accepted, in_one_block(update.data), start)
    for reason in partial.refused.values():
        raise UpdateRefusedError(RefusalReason(reason), partial.details[client])
    return PartialVector.of(start, number).flatten(partial)
