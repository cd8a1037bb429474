"""The life of a run that a step works for: a run that is deleted and created again has its old id, but another life.

An object that belongs to one life is signed for it, so that it cannot be put back in the next one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

OF_NO_LIFE: Final = "0" * 32
"""In the signature of an object that names its run itself, or that was made outside every step."""

_life: ContextVar[str | None] = ContextVar("life", default=None)


@contextmanager
def working_for(correlation_id: str) -> Iterator[None]:
    """Sign, in this block, for the life with this correlation id, and believe only the objects of that life.

    This holds for threads that copy the context of the block, too.
    """
    token = _life.set(hashlib.sha256(correlation_id.encode()).hexdigest()[: len(OF_NO_LIFE)])
    try:
        yield
    finally:
        _life.reset(token)


def current_life() -> str | None:
    """What stands for the life in signatures, 32 hexadecimal digits; None outside `working_for`: then any life is right."""
    return _life.get()
