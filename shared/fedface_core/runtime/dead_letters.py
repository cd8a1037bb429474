"""Dead letters: the newest messages that were dropped since FedFace cannot read them, kept so that an operator can look at
them. ``python -m fedface_core.dead_letters`` prints them.

They are one stream of the broker. It never holds more than `MOST_LETTERS` messages, nor more than
`LONGEST_BEGINNING` bytes of one.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import redis
import structlog
from pydantic import ValidationError
from redis.exceptions import RedisError

from fedface_core.contracts.broker_keys import DEAD_LETTERS
from fedface_core.contracts.tasks import QUEUES
from fedface_core.domain.credentials import mask_credentials
from fedface_core.domain.dead_letter import LONGEST_BEGINNING, MOST_LETTERS, DeadLetter
from fedface_core.domain.reasons import masked, shortened
from fedface_core.runtime.metrics import DROPPED_MESSAGES, UNKNOWN_QUEUE
from fedface_core.runtime.received_message import UnreadableMessageError

log = structlog.get_logger(__name__)


def bury(client: redis.Redis, queue: str, raw: bytes, error: UnreadableMessageError) -> None:
    """Keep the beginning of a message that was taken from ``queue`` and is dropped, count it, and log why in one line.

    If the broker does not take it, the message is gone; that is logged. No error is raised.
    """
    reason = shortened(masked(str(error)))
    DROPPED_MESSAGES.labels(queue if queue in QUEUES else UNKNOWN_QUEUE, error.fault).inc()
    log.error("message_refused", queue=queue, fault=error.fault, reason=reason, bytes=len(raw))
    letter: dict[Any, Any] = {
        "queue": queue[:100],
        "fault": error.fault.value,
        "reason": reason,
        "bytes": len(raw),
        "beginning": b64encode(raw[:LONGEST_BEGINNING]),
    }
    try:
        client.xadd(DEAD_LETTERS, letter, maxlen=MOST_LETTERS, approximate=False)
    except RedisError as failure:
        log.warning("dead_letter_not_kept", reason=str(failure))


def letters_in(entries: Iterable[tuple[str | bytes, Mapping[Any, Any]]]) -> Iterator[DeadLetter]:
    """The dead letters in entries of the stream. An entry that is none is left out: any worker may write to the stream."""
    for entry_id, fields in entries:
        written = {_text(name): _text(value) for name, value in fields.items()}
        try:
            milliseconds = int(_text(entry_id).split("-")[0])
            kept = b64decode(written.get("beginning", ""), validate=True).decode(errors="replace")
            beginning = mask_credentials(kept)[:LONGEST_BEGINNING]
            at = datetime.fromtimestamp(milliseconds / 1000, UTC)
            letter = DeadLetter.model_validate(written | {"id": _text(entry_id), "at": at, "beginning": beginning})
        except (ValidationError, ValueError, OverflowError, OSError):
            log.warning("dead_letter_unreadable", id=_text(entry_id))
            continue
        yield letter


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
