"""Traces for OpenTelemetry: one for each round, one for the preparation of a run. Off unless `Settings.traces_url` is set.

The id of a trace is made of what every signed command says: the run's correlation id and the round's number. So each service
finds the trace of its task by itself, whoever published the command and however often, and no header has to be believed
(ADR 33). Once a round has ended, control makes its span, with the id that all other spans name as their parent.

Nothing of OpenTelemetry is imported while traces are off. A span has no message of an error, which may name people.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from fedface_core.contracts.tasks import round_of
from fedface_core.domain.errors import InvalidInputError
from fedface_core.runtime.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Tracer
    from structlog.typing import EventDict

_RECORD_SECONDS = 1.0
"""How long spans wait before they are sent together."""


@dataclass(frozen=True)
class Ids:
    """The ids of a trace and of its first span, as OpenTelemetry has them."""

    trace: int
    span: int


class _Tracing:
    """What this process traces with; None while traces are off."""

    tracer: Tracer | None = None
    provider: Any = None


_given_ids: ContextVar[Ids | None] = ContextVar("given_ids", default=None)


def require_traces(settings: Settings) -> None:
    """`InvalidInputError` if traces are asked for, and the packages that make them are not installed."""
    if settings.traces_url is not None and find_spec("opentelemetry.sdk") is None:
        raise InvalidInputError("FEDFACE_TRACES_URL needs further packages: pip install 'fedface-core[services,traces]'")


def start_traces(settings: Settings, service: str, processor: SpanProcessor | None = None) -> None:
    """Send the spans of this process to `Settings.traces_url` (OTLP over HTTP). Nothing if that is not set.

    ``processor`` takes the spans in its place. Call it once in a process, after it was forked.
    """
    if settings.traces_url is None:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class IdsOfRounds(RandomIdGenerator):
        """Draws ids, but for a span whose ids are given."""

        def generate_trace_id(self) -> int:
            given = _given_ids.get()
            return given.trace if given else int(super().generate_trace_id())

        def generate_span_id(self) -> int:
            given = _given_ids.get()
            return given.span if given else int(super().generate_span_id())

    provider = TracerProvider(resource=Resource.create({"service.name": f"fedface-{service}"}), id_generator=IdsOfRounds())
    exporter = OTLPSpanExporter(endpoint=settings.traces_url, timeout=5)
    provider.add_span_processor(
        processor or BatchSpanProcessor(exporter, schedule_delay_millis=round(1000 * _RECORD_SECONDS))
    )
    _Tracing.provider = provider
    _Tracing.tracer = provider.get_tracer("fedface")


def end_traces() -> None:
    """Send what waits, and trace no more."""
    if _Tracing.provider is not None:
        _Tracing.provider.shutdown()
    _Tracing.provider = None
    _Tracing.tracer = None


def tracer_provider() -> Any:
    """What instruments of other libraries make their spans with; None while traces are off."""
    return _Tracing.provider


def ids_of(correlation_id: str, number: int | None) -> Ids:
    """The ids of the trace of round ``number``, or of the run's preparation if that is None."""
    digest = sha256(f"fedface trace {correlation_id} {'run' if number is None else number}".encode()).digest()
    return Ids(int.from_bytes(digest[:16]), int.from_bytes(digest[16:24]))


def traced_task(task: str, command: BaseModel, correlation_id: str) -> AbstractContextManager[object]:
    """A block in which the task of a command is carried out: a span of the trace of its round. No error is changed by it."""
    run_id = getattr(command, "run_id", None)
    if _Tracing.tracer is None or run_id is None:  # a sweep is about all runs
        return nullcontext()
    return _span_of_task(_Tracing.tracer, task, run_id, command, correlation_id)


def trace_round(run_id: str, correlation_id: str, number: int, opened_at: datetime, ended_at: datetime, phase: str) -> None:
    """Make the span of a round that has ended, the parent of all spans of its tasks."""
    tracer = _Tracing.tracer
    if tracer is None:
        return
    from opentelemetry.context import Context

    token = _given_ids.set(ids_of(correlation_id, number))
    try:
        attributes: dict[str, str | int] = {"fedface.run": run_id, "fedface.round": number, "fedface.phase": phase}
        span = tracer.start_span(f"round {number}", Context(), attributes=attributes, start_time=_nanoseconds(opened_at))
    finally:
        _given_ids.reset(token)
    span.end(_nanoseconds(ended_at))


def add_trace_id(_logger: object, _method: str, record: EventDict) -> EventDict:
    """A processor of structlog: the ids of the present trace and span, if there is one."""
    from opentelemetry.trace import get_current_span

    context = get_current_span().get_span_context()
    if context.is_valid:
        record["trace_id"] = f"{context.trace_id:032x}"
        record["span_id"] = f"{context.span_id:016x}"
    return record


@contextmanager
def _span_of_task(tracer: Tracer, task: str, run_id: str, command: BaseModel, correlation_id: str) -> Iterator[None]:
    from opentelemetry.trace import (
        NonRecordingSpan,
        SpanContext,
        SpanKind,
        Status,
        StatusCode,
        TraceFlags,
        set_span_in_context,
    )

    number = round_of(command)
    ids = ids_of(correlation_id, number)
    parent = SpanContext(ids.trace, ids.span, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    attributes: dict[str, str | int] = {"fedface.run": run_id, "fedface.task": task}
    if number is not None:
        attributes["fedface.round"] = number
    fact = getattr(command, "fact", None)
    if fact is not None:
        attributes["fedface.fact"] = fact.kind
    clients = getattr(command, "clients", None)
    if clients is not None:
        attributes["fedface.clients"] = len(clients)
    with tracer.start_as_current_span(
        task,
        set_span_in_context(NonRecordingSpan(parent)),
        SpanKind.CONSUMER,
        attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield
        except BaseException as error:
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1e9)
