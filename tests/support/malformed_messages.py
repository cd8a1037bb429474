"""What a stranger may put into a queue: bytes that are no message, and messages that ask for what FedFace never sends."""

from __future__ import annotations

import bz2
import json
import pickle
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable
from functools import partial
from typing import Any

from fedface_core.runtime.received_message import MOST_BYTES, PACKING_HEADER

Message = dict[str, Any]


def malformed(honest: bytes) -> dict[str, bytes]:
    """Malformed messages by what is wrong with them; ``honest`` is a message for the same queue."""

    def changed(change: Callable[[Message], object]) -> bytes:
        message = json.loads(honest)
        change(message)
        return json.dumps(message).encode()

    def with_body(data: bytes) -> bytes:
        return changed(lambda message: message.update({"body": b64encode(data).decode()}))

    def with_headers(**headers: object) -> bytes:
        return changed(lambda message: message["headers"].update(headers))

    def with_kind(kind: str, body: bytes, **fields: object) -> bytes:
        return changed(lambda message: message.update({"body": b64encode(body).decode(), "content-type": kind, **fields}))

    args, kwargs, embedded = json.loads(b64decode(json.loads(honest)["body"]))
    command = kwargs["command"]
    bomb = b"[" * 100_000
    return {
        "no bytes": b"",
        "not JSON": b"not JSON",
        "not UTF-8": b"\xff\xfe{}",
        "nested too deeply": bomb,
        "an endless number": b"9" * 10_000,
        "too large": b" " * (MOST_BYTES + 1),
        **{f"JSON of another shape: {text}": text.encode() for text in ("null", "1", '"x"', "[]", "{}", "[[1]]")},
        **{f"no {part}": changed(partial(_remove, part)) for part in json.loads(honest)},
        **{f"{part} is null": changed(partial(_clear, part)) for part in json.loads(honest)},
        "headers are a list": changed(lambda message: message.update({"headers": []})),
        "properties are a text": changed(lambda message: message.update({"properties": "x"})),
        "no delivery information": changed(lambda message: message["properties"].update({"delivery_info": 7})),
        "no id": changed(lambda message: message["headers"].pop("id")),
        "a list as id": with_headers(id=[1]),
        "no task": changed(lambda message: message["headers"].pop("task")),
        "a list as task": with_headers(task=["x"]),
        "a task nobody has": with_headers(task="stranger.task"),
        "a task of another queue": with_headers(task="control.sweep"),
        "a task of Celery's": with_headers(task="celery.backend_cleanup"),
        "a body that is not base64": changed(lambda message: message.update({"body": "%%%"})),
        "another encoding of the body": changed(lambda message: message["properties"].update({"body_encoding": "rot13"})),
        "an unknown type": with_kind("application/x-stranger", b"{}"),
        "an unknown encoding": with_kind("application/json", b"{}", **{"content-encoding": "klingon"}),
        "pickle": with_kind("application/x-python-serialize", pickle.dumps([[], {}, {}]), **{"content-encoding": "binary"}),
        "yaml": with_kind("application/x-yaml", b"!!python/object/apply:os.getpid []"),
        "a bomb of zlib": changed(
            lambda message: (
                message["headers"].update({PACKING_HEADER: "application/x-gzip"}),
                message.update({"body": b64encode(zlib.compress(b" " * 10_000_000)).decode()}),
            )
        ),
        "a bomb of bzip2": changed(
            lambda message: (
                message["headers"].update({PACKING_HEADER: "application/x-bz2"}),
                message.update({"body": b64encode(bz2.compress(b" " * 10_000_000)).decode()}),
            )
        ),
        "a body nested too deeply": with_body(bomb),
        "a body that is no JSON": with_body(b"x"),
        "a body of another shape": with_body(b'{"command": {}}'),
        "arguments": with_body(json.dumps([[1], kwargs, embedded]).encode()),
        "another argument": with_body(json.dumps([args, {**kwargs, "x": 1}, embedded]).encode()),
        "no command": with_body(json.dumps([args, {}, embedded]).encode()),
        "a command that is none": with_body(json.dumps([args, {"command": {"x": 1}}, embedded]).encode()),
        "a command of another version": with_body(
            json.dumps([args, {"command": {**command, "schema_version": 99}}, embedded]).encode()
        ),
        "many unknown fields": with_body(
            json.dumps([args, {"command": {**command, **dict.fromkeys(map(str, range(10_000)), 1)}}, embedded]).encode()
        ),
        "a callback": with_body(json.dumps([args, kwargs, {"callbacks": [{"task": "x"}]}]).encode()),
        "a chain": with_body(json.dumps([args, kwargs, {"chain": [{"task": "x"}]}]).encode()),
        "a chord": with_body(json.dumps([args, kwargs, {"chord": {"task": "x"}}]).encode()),
        "not a number": with_body(json.dumps([args, {"command": {**command, "shard": float("nan")}}, embedded]).encode()),
        "an object of kombu's": with_body(
            json.dumps(
                [args, {"command": {**command, "shard": {"__type__": "datetime", "__value__": "x"}}}, embedded]
            ).encode()
        ),
        "an hour from now": with_headers(eta="2099-01-01T00:00:00+00:00"),
        "a date that is none": with_headers(eta="x"),
        "an end before all time": with_headers(expires="0001-01-01T00:00:00+23:59"),
        "an end that is none": with_headers(expires="x"),
        "an end that is a list": with_headers(expires=[1]),
        "an end of its own": with_headers(expires="2099-01-01T00:00:00+00:00"),
        "limits of its own": with_headers(timelimit=[1e9, 1e9]),
        "limits that are none": with_headers(timelimit="x"),
        "retries": with_headers(retries=3),
        "a group": with_headers(group="x"),
        "another name": with_headers(shadow="x"),
    }


def _remove(part: str, message: Message) -> None:
    del message[part]


def _clear(part: str, message: Message) -> None:
    message[part] = None
