"""The check of updates, which are hostile until checked: nothing of an update is summed before it has passed.

`careful_check.py` defines and checks what must hold of an update: names, shapes, dtypes, finite values, image count, norm
and directions. `fast_path.py` recognises most good updates in less time, and leaves all other updates to the careful check.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

import torch
from torch import Tensor

from fedface_core.domain.errors import UpdateRefusedError
from fedface_core.domain.update import AcceptedUpdate, RefusalReason
from fedface_learning.updates.careful_check import CheckedUpdate, check_carefully, check_tensors
from fedface_learning.updates.fast_path import check_fast
from fedface_learning.updates.form import Blocks, UpdateForm

MEAN_EMBEDDING: Final = "mean_embedding"
"""The name of the one tensor of an enrolment update."""


def enrolment_reference(embedding_size: int) -> dict[str, Tensor]:
    """Name, shape and dtype of the only tensor of an enrolment update: a mean embedding (D,), float32."""
    return {MEAN_EMBEDDING: torch.zeros(embedding_size)}


def check_update(blocks: Iterable[memoryview], accepted: AcceptedUpdate, form: UpdateForm, max_norm: float) -> CheckedUpdate:
    """Check a client's training update, by the fast path if that is certain, else carefully.

    ``blocks`` are the update's object, as `form.Blocks` describes; they are read one by one. `UpdateRefusedError` if the
    object is not the one accepted or breaks an invariant; it carries the reason and names the tensor.
    """
    read = _read_accepted(blocks, accepted)
    return check_fast(read, accepted, form, max_norm) or check_carefully(read, accepted, form, max_norm)


def check_mean_embedding(blocks: Iterable[memoryview], accepted: AcceptedUpdate, embedding_size: int) -> Tensor:
    """Check a client's enrolment update, and return its mean embedding (D,), float32.

    ``blocks`` are the update's object, as `form.Blocks` describes. `UpdateRefusedError` if the object is not the one
    accepted, or if names, shape, dtype, values or image count are wrong. An enrolment update has no bound on its norm.
    """
    read = _read_accepted(blocks, accepted)
    return check_tensors(read, accepted, enrolment_reference(embedding_size))[MEAN_EMBEDDING]


def _read_accepted(blocks: Iterable[memoryview], accepted: AcceptedUpdate) -> Blocks:
    """Read a whole object. `UpdateRefusedError` if its SHA-256 is not the accepted one."""
    read = []
    hashed = hashlib.sha256()
    for block in blocks:
        hashed.update(block)
        read.append(block)
    if hashed.hexdigest() != accepted.sha256:
        raise UpdateRefusedError(
            RefusalReason.CHANGED, f"the object's SHA-256 is {hashed.hexdigest()}, but {accepted.sha256} was accepted"
        )
    return read
