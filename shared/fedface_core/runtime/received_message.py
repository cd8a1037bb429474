"""Reads a message as it lies in a queue, before kombu or Celery believe anything in it.

Whoever can write to the broker can put any bytes into a queue. Celery trusts what it takes: a missing header, a task that is
no text or a date out of range ends the worker, and a message may ask it to wait, to unpack, to call back or to set limits.
So a message is read here first. What FedFace never sends is refused; of the rest only what FedFace needs is kept.
"""

from __future__ import annotations

import binascii
import json
import uuid
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, NoReturn

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from fedface_core.contracts.schema_version import read_versioned
from fedface_core.contracts.tasks import CORRELATION_HEADER, ROUTES, queues_of
from fedface_core.domain.commands import Sweep
from fedface_core.domain.errors import DamagedObjectError, FedFaceError, UnknownSchemaError

MOST_BYTES: Final = 4 << 20
"""A larger message is not read. The largest that FedFace sends names each refused client of a round, 50 bytes each."""
OWN_HEADERS: Final = "fedface_"
"""Headers that begin so are FedFace's, texts of `LONGEST_HEADER` characters at most, and are kept."""
LONGEST_HEADER: Final = 4096
REMEDY: Final = "upgrade this worker, or drain the queue with the version that wrote it"
"""What an operator has to do about a message of another version."""

# Kombu unpacks a body that has this header. The word means something else in FedFace.
PACKING_HEADER: Final = "compress" + "ion"

_TASKS: Final = {route.task: (queues_of(kind), kind) for kind, route in ROUTES.items()}
# Kombu makes an object of whatever has this name in JSON.
_KOMBUS_MARK: Final = "__type__"
_NOTHING: Final = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


class MessageFault(StrEnum):
    """Why a message is dropped; the label of a metric."""

    TOO_LARGE = "too_large"
    NOT_JSON = "not_json"
    WRONG_FORM = "wrong_form"
    """It is JSON, but no task as FedFace sends them."""
    UNKNOWN_TASK = "unknown_task"
    """It asks for a task that this queue does not have."""
    WRONG_COMMAND = "wrong_command"
    UNKNOWN_VERSION = "unknown_version"
    """Another version of FedFace wrote its command."""


class UnreadableMessageError(FedFaceError):
    """A message is not one that FedFace sends. ``fault`` says in which way, and the text says it in words."""

    title = "Unreadable message"

    def __init__(self, fault: MessageFault, reason: str) -> None:
        super().__init__(reason)
        self.fault = fault


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


def _refuse_distant(value: object) -> object:
    """Refuse a date that no clock of ours gives: Celery cannot convert the first and the last ones to another time zone."""
    if isinstance(value, str):
        date = datetime.fromisoformat(value)
        if date.tzinfo is None or not datetime(2000, 1, 1, tzinfo=UTC) < date < datetime(2200, 1, 1, tzinfo=UTC):
            raise ValueError("is no date between 2000 and 2200 with a time zone")
    return value


def _no_limits(value: object) -> object:
    return None if value == [None, None] else value


class _Headers(_Part):
    """The headers that Celery obeys: it would wait until ``eta``, unpack, end the task by other limits, or rename it."""

    task: Annotated[str, StringConstraints(max_length=100)]
    id: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z-]{1,64}$")]
    eta: None = None
    expires: Annotated[str | None, BeforeValidator(_refuse_distant)] = None
    timelimit: Annotated[None, BeforeValidator(_no_limits)] = None
    retries: Literal[0] = 0
    group: None = None
    chord: None = None
    shadow: None = None
    packed: Annotated[None, Field(alias=PACKING_HEADER)] = None


class _DeliveryInfo(_Part):
    redelivered: bool = False


class _Properties(_Part):
    body_encoding: Literal["base64"]
    delivery_info: _DeliveryInfo = _DeliveryInfo()


class _Message(_Part):
    body: str
    content_type: Annotated[Literal["application/json"], Field(alias="content-type")]
    content_encoding: Annotated[Literal["utf-8"], Field(alias="content-encoding")]
    headers: _Headers
    properties: _Properties


def read_message(raw: bytes, queue: str) -> dict[str, Any]:
    """The message of kombu's Redis transport in ``raw``, which was taken from ``queue``, made anew from what it says.

    The tag that kombu keeps it by until it is acknowledged is drawn here, so that two messages never share one.
    `UnreadableMessageError` if it is no message that FedFace sends.
    """
    if len(raw) > MOST_BYTES:
        _refuse(MessageFault.TOO_LARGE, f"it has {len(raw)} bytes, above {MOST_BYTES}")
    given = _json(raw)
    try:
        message = _Message.model_validate(given)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        _refuse(MessageFault.WRONG_FORM, f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}")
    command = _command(message, queue)
    own = {name: value for name, value in given["headers"].items() if _is_own(name, value)}
    return {
        "body": b64encode(command).decode(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {
            "lang": "py",
            "task": message.headers.task,
            "id": message.headers.id,
            "root_id": message.headers.id,
            "expires": message.headers.expires,
            "argsrepr": "()",
            "kwargsrepr": "{}",
            "ignore_result": True,
            CORRELATION_HEADER: "none",
            **own,
        },
        "properties": {
            "correlation_id": message.headers.id,
            "delivery_mode": 2,
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": str(uuid.uuid4()),
            "delivery_info": {
                "exchange": "",
                "routing_key": queue,
                "redelivered": message.properties.delivery_info.redelivered,
            },
        },
    }


def _command(message: _Message, queue: str) -> bytes:
    """The body of the message, JSON, with its command and nothing else."""
    task = message.headers.task
    queues, kind = _TASKS.get(task, ((), None))
    if kind is None or queue not in queues:
        _refuse(MessageFault.UNKNOWN_TASK, f"the queue {queue} has no task {task!r}")
    if message.headers.expires is not None and kind is not Sweep:
        _refuse(MessageFault.WRONG_FORM, "headers.expires: only a sweep expires")
    try:
        body = b64decode(message.body, validate=True)
    except (binascii.Error, ValueError):
        _refuse(MessageFault.WRONG_FORM, "body: is not base64")
    match _json(body):
        case [[], {"command": dict() as command, **others}, dict() as embedded] if not others and not any(embedded.values()):
            pass
        case _:
            _refuse(MessageFault.WRONG_FORM, "body: is not one command, and nothing else")
    try:
        read_versioned(kind, command, remedy=REMEDY)
    except UnknownSchemaError as error:
        _refuse(MessageFault.UNKNOWN_VERSION, str(error))
    except DamagedObjectError as error:
        _refuse(MessageFault.WRONG_COMMAND, str(error))
    text = json.dumps([[], {"command": command}, _NOTHING], allow_nan=False)
    if _KOMBUS_MARK in text:
        _refuse(MessageFault.WRONG_FORM, f"body: has a {_KOMBUS_MARK}")
    return text.encode()


def _json(data: bytes) -> Any:
    try:
        return json.loads(data.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:  # also what is not UTF-8, an endless number, or nested too deeply
        _refuse(MessageFault.NOT_JSON, f"it is not JSON: {type(error).__name__}")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _is_own(name: str, value: object) -> bool:
    return name.startswith(OWN_HEADERS) and isinstance(value, str) and len(value) <= LONGEST_HEADER and value.isprintable()


def _refuse(fault: MessageFault, reason: str) -> NoReturn:
    raise UnreadableMessageError(fault, reason)
