"""Dead letters: the newest messages that were dropped since FedFace cannot read them, kept so that an operator can look at
them. ``python -m fedface_core.runtime.dead_letters`` prints them.

They are one stream of the broker. It never holds more than `MOST_LETTERS` messages, nor more than `MOST_KEPT_BYTES` of one.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, Final

import redis
import structlog
from redis.exceptions import RedisError

from fedface_core.contracts.broker_keys import DEAD_LETTERS
from fedface_core.contracts.tasks import QUEUES
from fedface_core.domain.failures import masked, shortened
from fedface_core.runtime.exit_message import exit_message
from fedface_core.runtime.metrics import DROPPED_MESSAGES, UNKNOWN_QUEUE
from fedface_core.runtime.received_message import UnreadableMessageError
from fedface_core.runtime.settings import Settings, load_settings

log = structlog.get_logger(__name__)

MOST_LETTERS: Final = 200
MOST_KEPT_BYTES: Final = 8192


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


def dead_letters(client: redis.Redis) -> Iterator[dict[str, object]]:
    """The dead letters, the newest first: when and from which queue it was taken, why it was dropped, how it begins."""
    entries: Any = client.xrevrange(DEAD_LETTERS, count=MOST_LETTERS)
    for entry_id, fields in entries:
        letter = {_text(name): _text(value) for name, value in fields.items()}
        at = datetime.fromtimestamp(int(_text(entry_id).split("-")[0]) / 1000, UTC)
        beginning = b64decode(letter.pop("beginning", "")).decode(errors="replace")
        yield {"at": at.isoformat(timespec="seconds"), **letter, "beginning": beginning}


def _text(value: bytes) -> str:
    return value.decode(errors="replace")


@exit_message("dead letters")
def main() -> None:
    """Print the dead letters, one line of JSON each, the newest first. Only ASCII is printed."""
    url = load_settings(Settings).redis_url.get_secret_value()
    with closing(redis.Redis.from_url(url)) as client:
        for letter in dead_letters(client):
            print(json.dumps(letter, allow_nan=False).replace("\x7f", "\\u007f"))


if __name__ == "__main__":
    main()
