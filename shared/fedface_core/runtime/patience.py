"""Patience: the tasks of a worker wait if the ledger, the broker or the artifact store is away, and do not fail.

Each operation of a port that raises `UnavailableError` is repeated after growing, jittered pauses. If it still fails after
the time of ``FEDFACE_PATIENCE_SECONDS``, the error is raised. A wait inside the operation repeats no other work of the task
and counts no attempt. Every operation of the ports may be repeated, as redelivered tasks do this anyway.

The API, the scrapes of metrics and the sweep have no patience: somebody waits for their answer, or they are repeated anyway.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, Self, TypeVar, cast

import structlog
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    retry_if_not_exception_type,
    stop_after_delay,
    wait_random_exponential,
)

from fedface_core.domain.errors import MissingRightError, UnavailableError
from fedface_core.domain.facts import Waiting
from fedface_core.domain.reasons import masked
from fedface_core.ports import Ports
from fedface_core.runtime.metrics import WAITING_SECONDS, Dependency
from fedface_core.runtime.trail_notes import note

log = structlog.get_logger(__name__)

LONGEST_PAUSE_SECONDS = 5.0
_NOTE_INTERVAL_SECONDS: Final = 60.0

PortT = TypeVar("PortT")
ResultT = TypeVar("ResultT")
Report = Callable[[str], None]
"""A function that takes the reason of a wait."""


def with_patience(ports: Ports, seconds: float) -> Ports:
    """``ports`` with operations that are repeated for up to ``seconds`` while they raise `UnavailableError`.

    A wait for the artifact store is noted in the audit trail of the run. A wait for Redis is not, since the audit trail
    is in Redis.
    """
    report = WaitingNotes(ports)
    return replace(
        ports,
        ledger=_with_patience(Dependency.LEDGER, ports.ledger, seconds),
        clock=_with_patience(Dependency.LEDGER, ports.clock, seconds),  # it asks the ledger
        artifacts=_with_patience(Dependency.ARTIFACT_STORE, ports.artifacts, seconds, report),
        signatures=_with_patience(Dependency.ARTIFACT_STORE, ports.signatures, seconds, report),
        publisher=_with_patience(Dependency.BROKER, ports.publisher, seconds),
    )


def _with_patience(dependency: Dependency, port: PortT, seconds: float, report: Report = lambda _reason: None) -> PortT:
    # `_RetryingPort` has each method of the port, by name, which the type checker cannot see.
    return cast("PortT", _RetryingPort(dependency, port, seconds, report))


class _RetryingPort:
    """A port whose operations are repeated while they raise `UnavailableError`."""

    def __init__(self, dependency: Dependency, port: object, seconds: float, report: Report) -> None:
        self._dependency = dependency
        self._port = port
        self._seconds = seconds
        self._report = report

    def __getattr__(self, name: str) -> Callable[..., Any]:
        operation = getattr(self._port, name)

        def with_retries(*args: Any, **kwargs: Any) -> Any:
            began = time.monotonic()
            try:  # nearly always the first try succeeds, and then patience costs nothing
                return operation(*args, **kwargs)
            except UnavailableError as error:
                first_errors = [error]

            def retry() -> Any:
                if first_errors:  # tenacity's first call stands for the try that has failed above
                    raise first_errors.pop()
                return operation(*args, **kwargs)

            with _Outage(self._dependency, name, began, self._report) as outage:
                return _retrying(self._seconds, outage)(retry)

        return with_retries


def wait_for_dependency(dependency: Dependency, seconds: float, operation: Callable[[], ResultT]) -> ResultT:
    """The result of ``operation``, a step of a process that starts. It is repeated while it raises `UnavailableError`.

    `UnavailableError` if the operation still fails after ``seconds``. ``dependency`` is what it needs.
    """
    with _Outage(dependency, "start", time.monotonic()) as outage:
        return _retrying(seconds, outage)(operation)


def _retrying(seconds: float, outage: _Outage) -> Retrying:
    return Retrying(
        # What a server does not allow it does not allow later: an operator has to change that.
        retry=retry_if_exception_type(UnavailableError) & retry_if_not_exception_type(MissingRightError),
        wait=wait_random_exponential(multiplier=0.5, max=LONGEST_PAUSE_SECONDS),
        stop=stop_after_delay(seconds),
        before_sleep=outage.attempt_failed,
        reraise=True,
    )


class _Outage:
    """Logs, counts and reports the wait of one operation. An operation that succeeds at once leaves no trace.

    ``began``: when the operation was first tried, by `time.monotonic`.
    """

    def __init__(self, dependency: Dependency, operation: str, began: float, report: Report = lambda _reason: None) -> None:
        self._context = {"dependency": dependency, "operation": operation}
        self._report = report
        self._began = began
        self._counted_until = began
        self._waits = False

    def attempt_failed(self, attempt: RetryCallState) -> None:
        """Count the wait so far. After the first attempt, also log and report its error. A pause follows."""
        self._count()  # after each attempt, so that a long wait is visible while it lasts
        if self._waits:
            return
        self._waits = True
        reason = str(attempt.outcome.exception()) if attempt.outcome else ""
        log.warning("waiting_for_dependency", **self._context, reason=reason)
        self._report(reason)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        """Count the rest of the wait. Log its end if the operation has succeeded."""
        if not self._waits:
            return
        self._count()
        if kind is None:
            log.info("dependency_back", **self._context, seconds=round(self._counted_until - self._began, 1))

    def _count(self) -> None:
        now = time.monotonic()
        WAITING_SECONDS.labels(self._context["dependency"]).inc(now - self._counted_until)
        self._counted_until = now


class WaitingNotes:
    """Notes for a run's audit trail that its work waits, and why: at most one a minute for each run.

    ``clock`` gives the seconds of a monotonic clock.
    """

    def __init__(self, ports: Ports, clock: Callable[[], float] = time.monotonic) -> None:
        self._ports = ports
        self._clock = clock
        self._noted_at: dict[str, float] = {}

    def __call__(self, reason: str) -> None:
        """Have the event ``waiting`` written for the run that the present task is about, if any.

        `register_handler` has bound the run, its correlation id and the task to the logs.
        """
        context = structlog.contextvars.get_contextvars()
        run_id = context.get("run_id")
        now = self._clock()
        self._noted_at = {run: at for run, at in self._noted_at.items() if now - at < _NOTE_INTERVAL_SECONDS}
        if run_id is None or run_id in self._noted_at:
            return
        self._noted_at[run_id] = now
        service = context["task"].split(".")[0]  # the name of a task begins with its service
        noted = Waiting(run_id=run_id, service=service, reason=masked(reason))
        note(self._ports, run_id, context["correlation_id"], noted)
