"""The check of updates, which are hostile until checked: nothing of an update is summed before it has passed.

`careful_check.py` defines and checks what must hold of an update: names, shapes, dtypes, finite values, image count, norm,
ranges and directions. `fast_path.py` recognises most good updates in less time, and leaves all others to the careful check.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from fedface_core.domain.errors import FedFaceError, UpdateRefusedError
from fedface_core.domain.reasons import reason_of
from fedface_core.domain.update import AcceptedUpdate, RefusalReason
from fedface_learning.memory_errors import is_out_of_memory
from fedface_learning.strategies import Tensors
from fedface_learning.strategies.mean_embeddings import MEAN_EMBEDDING
from fedface_learning.updates.careful_check import (
    CheckedUpdate,
    check_carefully,
    check_directions,
    check_finite,
    check_tensors,
)
from fedface_learning.updates.fast_path import check_fast
from fedface_learning.updates.form import Blocks, HashedBlocks, UpdateForm
from fedface_learning.updates.norm import (
    NormBounds,
    check_mean_norm,
    check_norm,
    clearly_within,
    exact_norm,
    rough_norm,
)


def enrolment_reference(embedding_size: int) -> dict[str, Tensor]:
    """Name, shape and dtype of the only tensor of an enrolment update: a mean embedding (D,), float32."""
    return {MEAN_EMBEDDING: torch.zeros(embedding_size)}


def check_update(
    blocks: Iterable[memoryview], accepted: AcceptedUpdate, form: UpdateForm, bounds: NormBounds
) -> CheckedUpdate:
    """Check a client's training update, by the fast path if that is certain, else carefully.

    ``blocks`` are the update's object, as `form.Blocks` describes; they are read one by one. `UpdateRefusedError` if the
    object is not the one accepted or breaks an invariant; it carries the reason and names the tensor. The update's norm is
    known if it must be, or may be above where updates are clipped.
    """
    read = read_accepted(blocks, accepted)
    with refusing_what_fails():
        fast = None if bounds.norms_are_needed else check_fast(read, accepted, form, bounds.lowest)
        return fast or check_carefully(read, accepted, form, bounds.largest)


def check_in_memory(tensors: Tensors, form: UpdateForm, bounds: NormBounds) -> CheckedUpdate:
    """Check the tensors of a training update that is a whole model and still in the memory of the process that trained it.

    `UpdateRefusedError` for the reasons that `check_update` has, but for those that lie in an object's bytes.
    """
    with refusing_what_fails():
        norm = None
        update = form.lay_out(tensors)
        if not clearly_within(rough_norm(form.values_in_place(update), form), bounds.lowest):
            for name in form.expected:
                check_finite(name, tensors[name])
            norm = exact_norm(form.values_in_place(update), form)
            check_norm(norm, bounds.largest)
        form.buffer_ranges.check(tensors)
        directions = check_directions(tensors, form)
        counters = {name: tensors[name] for name, like in form.model.items() if not like.is_floating_point()}
        return CheckedUpdate(form.values_in_place(update), counters, directions, norm)


def check_mean_embedding(
    blocks: Iterable[memoryview], accepted: AcceptedUpdate, embedding_size: int, max_norm: float
) -> Tensor:
    """Check a client's enrolment update, and return its mean embedding (D,), float32.

    ``blocks`` are the update's object, as `form.Blocks` describes. `UpdateRefusedError` if the object is not the one
    accepted, or if names, shape, dtype, values or image count are wrong, or if the mean is longer than ``max_norm``.
    """
    read = read_accepted(blocks, accepted)
    with refusing_what_fails():
        mean_D = check_tensors(read, accepted, enrolment_reference(embedding_size))[MEAN_EMBEDDING]
        check_mean_norm(float(torch.linalg.vector_norm(mean_D.double())), max_norm)
        return mean_D


def read_accepted(blocks: Iterable[memoryview], accepted: AcceptedUpdate) -> Blocks:
    """Read a whole object. `UpdateRefusedError` if its SHA-256 or its size is not the accepted one."""
    read: list[memoryview] = []
    if isinstance(blocks, HashedBlocks):
        read.extend(blocks)
        sha256 = blocks.sha256()
    else:
        hashed = hashlib.sha256()
        for block in blocks:
            hashed.update(block)
            read.append(block)
        sha256 = hashed.hexdigest()
    if sha256 != accepted.sha256:
        raise UpdateRefusedError(
            RefusalReason.CHANGED, f"the object's SHA-256 is {sha256}, but {accepted.sha256} was accepted"
        )
    if (size := sum(map(len, read))) != accepted.size:
        raise UpdateRefusedError(RefusalReason.CHANGED, f"the object has {size} bytes, but {accepted.size} were accepted")
    return read


@contextmanager
def refusing_what_fails() -> Iterator[None]:
    """Turn an error that no check foresaw into an `UpdateRefusedError`: the object was read, so it is the object's fault.

    Errors of the global model's object, of the machine and of its memory are no fault of an update, and leave the block as
    they are: whether an update counts must not depend on them.
    """
    try:
        yield
    except (FedFaceError, OSError, MemoryError):
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise UpdateRefusedError(RefusalReason.UNUSABLE, f"it cannot be checked: {reason_of(error)}") from error
