"""Updates are hostile until checked, before anything of them is summed. Here every check begins.

What must hold of an update (names, shapes, types, finite values, image count, norm, directions) is stated and checked in
`careful_check.py`. `fast_path.py` spares most good updates that work: it answers "certainly good", or leaves it to the
other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

import torch
from torch import Tensor

from fedface_core.domain.errors import UpdateRefusedError
from fedface_core.domain.update import AcceptedUpdate, RefusalReason
from fedface_learning.updates.careful_check import CheckedUpdate, carefully_checked, tensors_checked
from fedface_learning.updates.fast_path import certainly_good
from fedface_learning.updates.form import Blocks, UpdateForm

MEAN_EMBEDDING: Final = "mean_embedding"
"""The name of the one tensor of an enrolment update."""


def enrolment_reference(embedding_size: int) -> dict[str, Tensor]:
    """What an enrolment update must look like: one mean embedding (D,)."""
    return {MEAN_EMBEDDING: torch.zeros(embedding_size)}


def check_update(blocks: Iterable[memoryview], accepted: AcceptedUpdate, form: UpdateForm, max_norm: float) -> CheckedUpdate:
    """A client's update, checked. ``blocks`` are its object, as `form.Blocks`; they are taken one by one.

    Its hash is taken as they come. Most updates are then certainly good at a fast look; any other is checked carefully.
    `UpdateRefusedError` carries the reason and names the tensor.
    """
    taken = _take(blocks, accepted)
    return certainly_good(taken, accepted, form, max_norm) or carefully_checked(taken, accepted, form, max_norm)


def check_mean_embedding(blocks: Iterable[memoryview], accepted: AcceptedUpdate, embedding_size: int) -> Tensor:
    """The mean embedding (D,) of a client's enrolment update, which is checked as `check_update` does, but for its norm."""
    taken = _take(blocks, accepted)
    return tensors_checked(taken, accepted, enrolment_reference(embedding_size))[MEAN_EMBEDDING]


def _take(blocks: Iterable[memoryview], accepted: AcceptedUpdate) -> Blocks:
    """All of an object, which must be the one accepted."""
    taken = []
    hashed = hashlib.sha256()
    for block in blocks:
        hashed.update(block)
        taken.append(block)
    if hashed.hexdigest() != accepted.sha256:
        raise UpdateRefusedError(
            RefusalReason.CHANGED, f"the object's SHA-256 is {hashed.hexdigest()}, but {accepted.sha256} was accepted"
        )
    return taken
