"""Times what signatures cost while services work: a clock that counts only what is done for them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import local
from typing import Any, cast

from pydantic import BaseModel

from fedface_core.adapters.memory import RecordingPublisher
from fedface_core.adapters.signed_artifacts import SignedArtifacts
from fedface_core.ports import ArtifactStore
from fedface_core.signing.keys import Keyring
from fedface_core.signing.messages import check_message, signature_of


class SignatureMeter:
    """Sums processor time of threads. It is cheap, for what it takes itself is counted too."""

    def __init__(self) -> None:
        self._parts: list[float] = []

    def reset(self) -> None:
        """Begin at zero."""
        self._parts.clear()

    @property
    def seconds(self) -> float:
        """What signatures have cost since the last reset."""
        return sum(self._parts)

    def add_since(self, start: float) -> None:
        """What this thread has done since ``start``, a `time.thread_time`, was done for signatures."""
        self._parts.append(time.thread_time() - start)

    def take_off_since(self, start: float) -> None:
        """What this thread has done since ``start`` would have been done without signatures too."""
        self._parts.append(start - time.thread_time())


class _MeteredSignatures:
    """The methods of `SignedArtifacts` over ``store``, whose time is counted, but for what is done without signatures too.

    Without signatures, a call would be the same call of ``store``. So while a method works, the time of that method of
    ``store`` is not counted; that of other methods is, for only signatures ask for them.
    """

    def __init__(self, store: ArtifactStore, keyring: Keyring, meter: SignatureMeter) -> None:
        self._below = _BelowSignatures(store, meter)
        self._signed = SignedArtifacts(cast("ArtifactStore", self._below), keyring)
        self._meter = meter

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._signed, name)

        def metered(*arguments: Any, **named: Any) -> Any:
            began = time.thread_time()
            self._below.asked.method = name
            try:
                return method(*arguments, **named)
            finally:
                self._meter.add_since(began)

        return metered


class _BelowSignatures:
    """The store below the signatures."""

    def __init__(self, store: ArtifactStore, meter: SignatureMeter) -> None:
        self.asked = local()
        """``method``: what the store above is doing in this thread."""
        self._store = store
        self._meter = meter

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._store, name)

        def metered(*arguments: Any, **named: Any) -> Any:
            if name != self.asked.method:
                return method(*arguments, **named)
            began = time.thread_time()
            try:
                return method(*arguments, **named)
            finally:
                self._meter.take_off_since(began)

        return metered


def metered_signatures(store: ArtifactStore, keyring: Keyring, meter: SignatureMeter) -> SignedArtifacts:
    """A signed store whose signatures ``meter`` counts."""
    return cast("SignedArtifacts", _MeteredSignatures(store, keyring, meter))


class SignedMessages(RecordingPublisher):
    """Signs each message when it is published, and checks it when it is taken."""

    def __init__(self, keyring: Keyring, meter: SignatureMeter) -> None:
        super().__init__()
        self._keyring = keyring
        self._meter = meter
        self._headers: list[str] = []

    def publish_all(self, commands: Sequence[BaseModel], *, correlation_id: str) -> None:
        """Sign the commands, and keep them in order."""
        for command in commands:
            body = command.model_dump(mode="json")
            began = time.thread_time()
            header = signature_of(self._keyring, command, body, correlation_id)
            self._meter.add_since(began)
            self._headers.append(header)
            super().publish_all([command], correlation_id=correlation_id)

    def take(self) -> tuple[BaseModel, str] | None:
        """The next message, whose signature is right, and its correlation id. None if no message waits."""
        if not self.published:
            return None
        command, correlation_id = self.published.pop(0)
        body = command.model_dump(mode="json")
        began = time.thread_time()
        check_message(self._keyring, command, body, correlation_id, self._headers.pop(0))
        self._meter.add_since(began)
        return command, correlation_id
