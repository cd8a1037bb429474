"""Answers for a scrape of metrics, which cannot wait: a server that hangs must not make the process that asks it look dead.

Prometheus gives up a scrape after seconds, and then knows nothing of the process, least of all what it waits for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Generic, TypeVar

from prometheus_client import Metric
from prometheus_client.registry import Collector

PROMPT_SECONDS: Final = 0.8
"""How long a scrape waits for one answer. A process asks for two at most, and Prometheus scrapes every few seconds."""

AnswerT = TypeVar("AnswerT")


class _Call(Generic[AnswerT]):
    """One call of a function, in a thread that no exit of the process waits for."""

    def __init__(self, function: Callable[[], AnswerT]) -> None:
        self._function = function
        self._done = threading.Event()
        self._answer: AnswerT | None = None
        self._error: BaseException | None = None
        threading.Thread(target=self._run, daemon=True, name="prompt answer").start()

    def wait(self, seconds: float) -> bool:
        """Whether the function has ended within this time."""
        return self._done.wait(seconds)

    def answer(self) -> AnswerT | None:
        """What the function has returned, or what it has raised."""
        if self._error is not None:
            raise self._error
        return self._answer

    def _run(self) -> None:
        try:
            self._answer = self._function()
        except BaseException as error:
            self._error = error
        self._done.set()


class PromptAnswers(Generic[AnswerT]):
    """Asks ``function``, and takes its answer only if it comes within ``seconds``.

    A call that takes longer goes on. Until it has ended no other is made, so one thread at most waits for a server.
    """

    def __init__(self, function: Callable[[], AnswerT], seconds: float = PROMPT_SECONDS) -> None:
        self._function = function
        self._seconds = seconds
        self._call: _Call[AnswerT] | None = None
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Ask, unless an earlier call still goes on: several servers are asked at once so."""
        with self._lock:
            if self._call is None:
                self._call = _Call(self._function)

    def ask(self) -> AnswerT | None:
        """The answer, or None if it does not come in time. An error of the function is raised."""
        self.begin()
        with self._lock:
            call = self._call
        if call is None:  # another scrape has taken the answer meanwhile
            return None
        if not call.wait(self._seconds):
            return None
        with self._lock:
            if self._call is call:
                self._call = None
        return call.answer()


class PromptCollector(Collector):
    """A collector of metrics that come from a server: none, if that does not answer in time."""

    def __init__(self, collector: Collector, seconds: float = PROMPT_SECONDS) -> None:
        self._answers = PromptAnswers(lambda: [*collector.collect()], seconds)

    def collect(self) -> Iterator[Metric]:
        """The collector's metrics, or none."""
        yield from self._answers.ask() or ()

    def describe(self) -> Iterable[Metric]:
        """No metrics, so that registration asks no server."""
        return []
