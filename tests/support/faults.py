"""Checks what an adapter raises if its server or disk is away."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fedface_core.domain.errors import UnavailableError

SECRET = "never-to-be-shown"


@contextmanager
def unavailable_within(seconds: float, saying: str) -> Iterator[None]:
    """Expect `UnavailableError` from the block within ``seconds``, with a message that matches the pattern ``saying``.

    Neither the message nor the cause of the error may contain `SECRET`.
    """
    started = time.monotonic()
    with pytest.raises(UnavailableError, match=saying) as caught:
        yield
    assert time.monotonic() - started < seconds
    assert SECRET not in str(caught.value) + repr(caught.value.__cause__)
