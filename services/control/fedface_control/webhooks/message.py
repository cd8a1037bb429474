"""The message of an event of the audit trail: which events are told, the body, and the headers with its signature.

https://www.standardwebhooks.com: the receiver checks the signature with the secret, and passes over an id that it has had.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from standardwebhooks import Webhook

from fedface_core.ports import RecordedEvent

_TOLD: Final = ("run_", "round_")
"""How the names of events begin that are told. The others, such as waits and failures of steps, are for operators."""


@dataclass(frozen=True)
class Message:
    """What is sent for one event. ``id`` is the same at each attempt."""

    id: str
    body: str


def is_told(event: RecordedEvent) -> bool:
    """Whether receivers are told of the event: those of the phases of runs and rounds."""
    return event.name.startswith(_TOLD)


def message_of(run_id: str, event: RecordedEvent) -> Message:
    """The message of an event: its type (``round.opened``), its time, and its data with the run and the event's id."""
    data = {"run": run_id, "event": event.id, **event.data}
    at = event.at.isoformat()
    body = {"type": event.name.replace("_", ".", 1), "timestamp": at, "data": data}
    return Message(f"{run_id}_{event.id}", json.dumps(body, allow_nan=False))


def headers_of(message: Message, secret: str, now: datetime | None = None) -> dict[str, str]:
    """The headers of a request that is sent ``now``. Each attempt has a time and a signature of its own."""
    moment = (now or datetime.now(UTC)).replace(microsecond=0)
    return {
        "content-type": "application/json",
        "user-agent": "fedface",
        "webhook-id": message.id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(secret).sign(message.id, moment, message.body),
    }
