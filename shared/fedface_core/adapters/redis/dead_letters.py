"""Dead letters in Redis or Valkey, as workers put them down there (`fedface_core.runtime.dead_letters`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fedface_core.adapters.redis.connection import TIMEOUT_SECONDS, connect, translated_errors
from fedface_core.contracts.broker_keys import DEAD_LETTERS
from fedface_core.domain.dead_letter import DeadLetter
from fedface_core.runtime.dead_letters import letters_in


class RedisDeadLetters:
    """`DeadLetters` in the Redis or Valkey at ``url``. It connects when it is first used.

    Each attempt to reach the server waits ``timeout_seconds`` at most. `InvalidInputError` if ``url`` is no Redis URL.
    """

    def __init__(self, url: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._client = connect(url, timeout_seconds=timeout_seconds)

    def newest(self, limit: int) -> Sequence[DeadLetter]:
        """The newest of them, ``limit`` at most, the newest first."""
        with translated_errors(self._client):
            entries: Any = self._client.xrevrange(DEAD_LETTERS, count=limit)
        return list(letters_in(entries))
