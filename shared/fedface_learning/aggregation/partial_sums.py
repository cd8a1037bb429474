"""The class sums in a partial, if class embeddings stay with their clients: added client by client, stored, read again."""

from __future__ import annotations

from fedface_learning.formats.stored_tensors import StoredTensors
from fedface_learning.objectives.class_sums import NAMES, ClassSums


def add_sums(sums: ClassSums | None, part: ClassSums | None) -> ClassSums | None:
    """Both together; None if there is neither."""
    if sums is None or part is None:
        return part if sums is None else sums
    return sums + part


def is_of_sums(name: str) -> bool:
    """Whether the tensor of a partial with this name is of the class sums."""
    return name in NAMES


def read_sums(stored: StoredTensors) -> ClassSums | None:
    """The class sums in a stored partial; None if it has none. They may be a change, so they are bounded as a part of one.

    `DamagedObjectError` if they are damaged.
    """
    if not any(is_of_sums(name) for name in stored.places):
        return None
    return ClassSums.read_change({name: stored.tensor(name) for name in stored.places if is_of_sums(name)})
