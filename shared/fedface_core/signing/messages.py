"""Signatures of messages: over the command, its task, its queue and the correlation id of its run."""

from __future__ import annotations

import binascii
import json
from base64 import b64decode, b64encode
from typing import Any, Final

from pydantic import BaseModel

from fedface_core.contracts.tasks import ROUTES
from fedface_core.signing.errors import SignatureError, UnsignedError
from fedface_core.signing.keys import Keyring
from fedface_core.signing.makers import senders

SIGNATURE_HEADER: Final = "fedface_signature"
"""The message header with the service, the id of its key and the signature in base64, with a space between them."""
_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def signature_of(keyring: Keyring, command: BaseModel, body: Any, correlation_id: str) -> str:
    """The header `SIGNATURE_HEADER` of a message. ``body`` is the command as JSON values, as the message has it.

    `SignatureError` if this process may not send the command.
    """
    service = keyring.signer(senders(command), _named(command))
    _, identifier, signature = keyring.sign(service, _statement(service, command, body, correlation_id))
    return f"{service} {identifier} {b64encode(signature).decode()}"


def check_message(keyring: Keyring, command: BaseModel, body: Any, correlation_id: str, header: object) -> None:
    """Raise `SignatureError` unless a service that may send the command has signed this message.

    ``body`` is what ``command`` was read from: JSON values.
    """
    what = f"the message {_named(command)}"
    if not isinstance(header, str):
        raise UnsignedError(f"{what} has no signature: it is of an older FedFace, or forged")
    service, _, rest = header.partition(" ")
    identifier, _, encoded = rest.partition(" ")
    try:
        signature = b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise SignatureError(f"{what} has a signature that is none") from None
    statement = _statement(service, command, body, correlation_id)
    keyring.check((service, identifier, signature), statement, senders(command), what)


def _named(command: BaseModel) -> str:
    """The command's task; of a fact, its kind, too."""
    fact = getattr(command, "fact", None)
    task = ROUTES[type(command)].task
    return task if fact is None else f"{task} of {fact.kind}"


def _statement(service: str, command: BaseModel, body: Any, correlation_id: str) -> bytes:
    """What is signed. The JSON is the same for equal values, whatever the order and the spaces on the way were."""
    route = ROUTES[type(command)]
    parts = ["fedface message", service, route.task, route.queue, correlation_id, body]
    return _ENCODER.encode(parts).encode()
