"""The port of dead letters: messages that workers have dropped. Only the API reads them by it; workers put them down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fedface_core.domain.dead_letter import DeadLetter


class DeadLetters(Protocol):
    """The dead letters of the broker, `MOST_LETTERS` at most."""

    def newest(self, limit: int) -> Sequence[DeadLetter]:
        """The newest of them, ``limit`` at most, the newest first.

        What a stranger has put among them, and is none, is left out. `UnavailableError` if the broker does not answer or
        cannot serve now.
        """


class NoDeadLetters:
    """`DeadLetters` of a service that has no business with them."""

    def newest(self, limit: int) -> Sequence[DeadLetter]:  # noqa: ARG002 - there are none
        """None."""
        return ()
