"""How long to wait for what does not answer: workers for Redis and the store, the command for the control API."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from fedface_core.domain.errors import InvalidInputError

PATIENCE_VARIABLE: Final = "FEDFACE_PATIENCE_SECONDS"
PATIENCE_SECONDS: Final = 120.0
"""The default: long enough for a server that restarts."""
_LONGEST_SECONDS: Final = 86_400.0


def patience_seconds(environment: Mapping[str, str]) -> float:
    """The patience that the ``environment`` asks for, or the default.

    `InvalidInputError` unless it is a number of seconds above 0, of a day at most.
    """
    given = environment.get(PATIENCE_VARIABLE, "").strip()
    if not given:
        return PATIENCE_SECONDS
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= _LONGEST_SECONDS:  # nor is it a number
        raise InvalidInputError(
            f"{PATIENCE_VARIABLE} is {given!r}; it must be a number of seconds above 0, and {_LONGEST_SECONDS:.0f} at most"
        )
    return seconds
