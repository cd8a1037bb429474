"""Waiting for a control API that is away, as long as workers wait for Redis and the store."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

from fedface_cli.sign_in_errors import TooManyRequestsError
from fedface_core.domain.errors import UnavailableError
from fedface_core.domain.patience import PATIENCE_VARIABLE, patience_seconds

RETRY_SECONDS = 1.0
ResultT = TypeVar("ResultT")


class ApiPatience:
    """Repeats calls of the control API while they raise `UnavailableError`, for FEDFACE_PATIENCE_SECONDS in a row.

    ``announce`` is called once in each absence, with what the command waits for. ``check`` is called before each pause, and
    may end the wait by raising an error. `InvalidInputError` if the variable is wrong.
    """

    def __init__(self, announce: Callable[[str], None], check: Callable[[], None] = lambda: None) -> None:
        self._seconds = patience_seconds(os.environ)
        self._announce = announce
        self._check = check
        self._answered_at = time.monotonic()
        self._announced = False

    def call(self, operation: Callable[..., ResultT], *arguments: object) -> ResultT:
        """The result of ``operation``, which reads from the API. `UnavailableError` if the API stays away."""
        while True:
            try:
                result = operation(*arguments)
            except UnavailableError as error:
                self.failed(error)
            else:
                self.answered()
                return result

    def begin(self, operation: Callable[..., ResultT], *arguments: object) -> ResultT:
        """The result of ``operation``, with which a command begins: if no API is there, the user should know at once.

        Only an API that is there, and is asked too often, is waited for.
        """
        while True:
            try:
                result = operation(*arguments)
            except TooManyRequestsError as error:
                self.failed(error)
            else:
                self.answered()
                return result

    def answered(self) -> None:
        """Take note that the API has just answered."""
        self._answered_at = time.monotonic()
        self._announced = False

    def failed(self, error: UnavailableError) -> None:
        """Pause before the next try. `UnavailableError` if the API has been away for too long."""
        self._check()
        left = self._seconds - (time.monotonic() - self._answered_at)
        if left <= 0:
            raise UnavailableError(
                f"{error}; it has been away for {self._seconds:g} s, which is the patience of {PATIENCE_VARIABLE}"
            ) from None
        if not self._announced:
            self._announced = True
            self._announce(f"waiting for the control API, {self._seconds:g} s at most: {error}")
        time.sleep(min(_pause(error), left))


def _pause(error: UnavailableError) -> float:
    """How long to wait before the next try: as long as an API says that is asked too often."""
    return error.seconds if isinstance(error, TooManyRequestsError) else RETRY_SECONDS
