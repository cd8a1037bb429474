"""Dead letters in memory."""

from __future__ import annotations

from collections.abc import Sequence

from fedface_core.domain.dead_letter import MOST_LETTERS, DeadLetter


class MemoryDeadLetters:
    """`DeadLetters` in memory. A test puts them down by `put`."""

    def __init__(self) -> None:
        self._letters: list[DeadLetter] = []

    def put(self, letter: DeadLetter) -> None:
        """Add a letter, and forget the oldest if they are too many."""
        self._letters = [letter, *self._letters][:MOST_LETTERS]

    def newest(self, limit: int) -> Sequence[DeadLetter]:
        """The newest of them, ``limit`` at most, the newest first."""
        return self._letters[:limit]
