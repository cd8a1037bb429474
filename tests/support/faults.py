"""What a test expects of an adapter whose server or disk is away."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fedface_core.domain.errors import UnavailableError

SECRET = "never-to-be-shown"


@contextmanager
def unavailable_within(seconds: float, saying: str) -> Iterator[None]:
    """Expects `UnavailableError` with a message that matches, in time, and without the secret in it or in what caused it."""
    started = time.monotonic()
    with pytest.raises(UnavailableError, match=saying) as caught:
        yield
    assert time.monotonic() - started < seconds
    assert SECRET not in str(caught.value) + repr(caught.value.__cause__)
