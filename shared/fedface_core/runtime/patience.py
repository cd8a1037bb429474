"""Patience for the ports that a worker's tasks hold: an outage of a dependency makes a task wait, not fail.

Each operation that raises `UnavailableError` is tried again, with growing and jittered pauses, until the patience is over;
then the error is raised as ever. Waiting inside the operation, rather than running the task again, repeats no work
and counts no delivery attempt. Every operation of the ports may be repeated: that is what redelivery asks of them anyway.

What answers somebody at once (the API, a scrape of metrics) or comes again by itself (the sweep) stays impatient.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, Self, TypeVar, cast

import structlog
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from fedface_core.domain.errors import FedFaceError, UnavailableError
from fedface_core.ports import Ports, RunRecords
from fedface_core.runtime.metrics import WAITING_SECONDS

log = structlog.get_logger(__name__)

LONGEST_PAUSE_SECONDS = 5.0
_NOTE_EVERY_SECONDS: Final = 60.0

PortT = TypeVar("PortT")
ResultT = TypeVar("ResultT")
Tell = Callable[[str], None]


def with_patience(ports: Ports, seconds: float) -> Ports:
    """The same ports for tasks that can wait: each operation is tried for ``seconds`` before it fails.

    A task that waits for the artifact store says so in the audit trail of its run; one that waits for Redis cannot.
    """
    return replace(
        ports,
        ledger=_waiting_for("ledger", ports.ledger, seconds),
        artifacts=_waiting_for("artifact_store", ports.artifacts, seconds, tell=WaitingEvents(ports.ledger)),
        publisher=_waiting_for("broker", ports.publisher, seconds),
    )


def _waiting_for(dependency: str, port: PortT, seconds: float, tell: Tell = lambda _reason: None) -> PortT:
    # It has each method of the port, by name, which the type checker cannot see.
    return cast("PortT", _Patient(dependency, port, seconds, tell))


class _Patient:
    """A port, each of whose operations waits out an outage."""

    def __init__(self, dependency: str, port: object, seconds: float, tell: Tell) -> None:
        self._dependency = dependency
        self._port = port
        self._seconds = seconds
        self._tell = tell

    def __getattr__(self, name: str) -> Callable[..., Any]:
        operation = getattr(self._port, name)

        def waiting(*args: Any, **kwargs: Any) -> Any:
            began = time.monotonic()
            try:  # as good as always it succeeds at once, and then patience costs nothing
                return operation(*args, **kwargs)
            except UnavailableError as error:
                failed = [error]

            def again() -> Any:
                if failed:
                    raise failed.pop()
                return operation(*args, **kwargs)

            with _Outage(self._dependency, name, began, self._tell) as outage:
                return _retrying(self._seconds, outage)(again)

        return waiting


def wait_for_dependency(dependency: str, seconds: float, operation: Callable[[], ResultT]) -> ResultT:
    """The same for a single step of a process that starts: what ``operation`` returns, once the dependency is there."""
    with _Outage(dependency, "start", time.monotonic()) as outage:
        return _retrying(seconds, outage)(operation)


def _retrying(seconds: float, outage: _Outage) -> Retrying:
    return Retrying(
        retry=retry_if_exception_type(UnavailableError),
        wait=wait_random_exponential(multiplier=0.5, max=LONGEST_PAUSE_SECONDS),
        stop=stop_after_delay(seconds),
        before_sleep=outage.goes_on,
        reraise=True,
    )


class _Outage:
    """What is logged, counted and told of one operation's wait; of an operation that succeeds at once, nothing.

    ``began``: when it was first tried, by `time.monotonic`.
    """

    def __init__(self, dependency: str, operation: str, began: float, tell: Tell = lambda _reason: None) -> None:
        self._about = {"dependency": dependency, "operation": operation}
        self._tell = tell
        self._started = self._counted_until = began
        self._waits = False

    def goes_on(self, attempt: RetryCallState) -> None:
        """An attempt has failed, and a pause comes."""
        self._count()  # now, so that a long wait shows while it lasts
        if self._waits:
            return
        self._waits = True
        reason = str(attempt.outcome.exception()) if attempt.outcome else ""
        log.warning("waiting_for_dependency", **self._about, reason=reason)
        self._tell(reason)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        """The operation has succeeded, or patience is over."""
        if not self._waits:
            return
        self._count()
        if kind is None:
            log.info("dependency_back", **self._about, seconds=round(self._counted_until - self._started, 1))

    def _count(self) -> None:
        now = time.monotonic()
        WAITING_SECONDS.labels(self._about["dependency"]).inc(now - self._counted_until)
        self._counted_until = now


class WaitingEvents:
    """Notes in a run's audit trail that its work waits, and for what; once a minute for each run at most."""

    def __init__(self, ledger: RunRecords, clock: Callable[[], float] = time.monotonic) -> None:
        self._ledger = ledger
        self._clock = clock
        self._noted: dict[str, float] = {}

    def __call__(self, reason: str) -> None:
        """Record the wait of the run that this process works for, which `register_handler` has bound to the logs.

        It is no error if the ledger does not take the event.
        """
        working_on = structlog.contextvars.get_contextvars()
        run_id, now = working_on.get("run_id"), self._clock()
        self._noted = {run: at for run, at in self._noted.items() if now - at < _NOTE_EVERY_SECONDS}
        if run_id is None or run_id in self._noted:
            return
        self._noted[run_id] = now
        service = str(working_on.get("task", "")).split(".")[0]  # a task is named for the service that runs it
        try:
            self._ledger.record_event(run_id, "waiting", {"service": service, "reason": reason})
        except FedFaceError as error:
            log.warning("waiting_not_noted", reason=str(error))
