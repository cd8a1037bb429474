"""Dead letters: the newest messages that were dropped since FedFace cannot read them, kept so that an operator can look at
them. ``python -m fedface_core.runtime.dead_letters`` prints them.

They are one stream of the broker. It never holds more than `MOST_LETTERS` messages, nor more than `MOST_KEPT_BYTES` of one.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, Final

import redis
import structlog
from pydantic import ValidationError
from redis.exceptions import RedisError

from fedface_core.contracts.broker_keys import DEAD_LETTERS
from fedface_core.contracts.tasks import QUEUES
from fedface_core.domain.credentials import mask_credentials
from fedface_core.domain.dead_letter import LONGEST_BEGINNING, MOST_LETTERS, DeadLetter
from fedface_core.domain.failures import masked, shortened
from fedface_core.runtime.exit_message import exit_message
from fedface_core.runtime.metrics import DROPPED_MESSAGES, UNKNOWN_QUEUE
from fedface_core.runtime.received_message import UnreadableMessageError
from fedface_core.runtime.settings import Settings, load_settings

log = structlog.get_logger(__name__)

MOST_KEPT_BYTES: Final = LONGEST_BEGINNING


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
        "beginning": b64encode(raw[:MOST_KEPT_BYTES]),
    }
    try:
        client.xadd(DEAD_LETTERS, letter, maxlen=MOST_LETTERS, approximate=False)
    except RedisError as failure:
        log.warning("dead_letter_not_kept", reason=str(failure))


def dead_letters(client: redis.Redis) -> Iterator[DeadLetter]:
    """The dead letters, the newest first: when and from which queue it was taken, why it was dropped, how it begins."""
    entries: Any = client.xrevrange(DEAD_LETTERS, count=MOST_LETTERS)
    return letters_in(entries)


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


@exit_message("dead letters")
def main() -> None:
    """Print the dead letters, one line of JSON each, the newest first. Only ASCII is printed."""
    url = load_settings(Settings).redis_url.get_secret_value()
    with closing(redis.Redis.from_url(url)) as client:
        for letter in dead_letters(client):
            text = json.dumps(letter.model_dump(mode="json"), allow_nan=False)
            print(text.replace("\x7f", "\\u007f"))


if __name__ == "__main__":
    main()
