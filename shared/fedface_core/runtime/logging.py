"""Structured logs: one JSON object per line, or text for a terminal, with the correlation id of the run."""

from __future__ import annotations

import io
import logging
import sys
from typing import Protocol

import structlog
import structlog.tracebacks
from structlog.typing import Processor

from fedface_core.domain.credentials import mask_credentials
from fedface_core.domain.free_text import one_line
from fedface_core.runtime.repeated_records import RepeatedRecordHandler
from fedface_core.runtime.traces import add_trace_id

# Without the local variables, which structlog logs by default: they may be credentials or class embeddings.
_TRACEBACKS = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)


class LogSettings(Protocol):
    """What a service's settings say about its logs."""

    @property
    def log_level(self) -> str:
        """The least level that is written."""
        ...

    @property
    def log_format(self) -> str:
        """``json``, or ``console`` for people."""
        ...


def configure_logging(settings: LogSettings, service: str, *, with_trace_ids: bool = False) -> None:
    """Write the records of structlog and of the standard library's logging to standard output, by one formatter.

    Each record has the name of the ``service``, and hides the credentials in URLs. A record for people is one line, but for
    tracebacks, and spells out the characters that a terminal would obey. A record that is repeated without end is written a
    few times a minute (`RepeatedRecordHandler`). ``with_trace_ids`` adds the ids of its span. Call it once in a process.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _name_service(service),
        *([add_trace_id] if with_trace_ids else []),
    ]
    renderer: list[Processor] = (
        [structlog.processors.ExceptionRenderer(_TRACEBACKS), structlog.processors.JSONRenderer()]
        if settings.log_format == "json"
        else [_spell_out, structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        # A record below the level costs one call only.
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a record is written in every locale
    handler = RepeatedRecordHandler(sys.stdout)
    handler.setFormatter(
        _MaskingFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer]
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level)
    # These log a line for each request or message. Our own records say more.
    for verbose in ("uvicorn.access", "celery.worker.strategy", "celery.app.trace", "celery.beat", "urllib3"):
        logging.getLogger(verbose).setLevel(logging.WARNING)


class _MaskingFormatter(structlog.stdlib.ProcessorFormatter):
    """Hides the credentials in URLs in the whole record: its values, its error, and the errors that caused that one."""

    def format(self, record: logging.LogRecord) -> str:
        return mask_credentials(super().format(record))


def _spell_out(_logger: object, _method: str, record: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {name: one_line(value) if isinstance(value, str) else value for name, value in record.items()}


def _name_service(service: str) -> Processor:
    def add(_logger: object, _method: str, record: structlog.typing.EventDict) -> structlog.typing.EventDict:
        record["service"] = service
        return record

    return add
