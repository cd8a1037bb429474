"""Times what signatures cost while services work: a clock that counts only what is done for them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, cast

from pydantic import BaseModel

from fedface_core.adapters.memory import RecordingPublisher
from fedface_core.adapters.signed_artifacts import SignedArtifacts
from fedface_core.contracts import object_keys
from fedface_core.ports import ArtifactStore
from fedface_core.signing.keys import Keyring
from fedface_core.signing.makers import IN_BLOCKS
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


class MeteredSignatures(SignedArtifacts):
    """A signed store whose time is counted, but for what the store below it would have to do anyway."""

    def __init__(self, store: ArtifactStore, keyring: Keyring, meter: SignatureMeter) -> None:
        super().__init__(cast("ArtifactStore", _BelowSignatures(store, meter)), keyring)
        self._unmetered = SignedArtifacts(store, keyring)
        self._meter = meter

    def put(self, key: str, *data: bytes | memoryview, sha256: str | None = None) -> None:
        """As `SignedArtifacts` does."""
        began = time.thread_time()
        try:
            super().put(key, *data, sha256=sha256)
        finally:
            self._meter.add_since(began)

    def get(self, key: str) -> bytes:
        """As `SignedArtifacts` does."""
        began = time.thread_time()
        try:
            return super().get(key)
        finally:
            self._meter.add_since(began)

    def read_into(self, key: str, start: int, buffer: bytearray | memoryview) -> int:
        """As `SignedArtifacts` does."""
        began = time.thread_time()
        try:
            return super().read_into(key, start, buffer)
        finally:
            self._meter.add_since(began)

    def size(self, key: str) -> int:
        """As `SignedArtifacts` does."""
        began = time.thread_time()
        try:
            return super().size(key)
        finally:
            self._meter.add_since(began)

    def signed_sha256(self, key: str, size: int, behind: bytes | None = None) -> str:
        """As `SignedArtifacts` does. Without signatures the store would not be asked at all."""
        began = time.thread_time()
        try:
            return self._unmetered.signed_sha256(key, size, behind)
        finally:
            self._meter.add_since(began)


class _BelowSignatures:
    """The store below the signatures. Its own time is not theirs, except where they ask for something of their own."""

    def __init__(self, store: ArtifactStore, meter: SignatureMeter) -> None:
        self._store = store
        self._meter = meter

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._store, name)

        def metered(key: Any, *arguments: Any, **named: Any) -> Any:
            if name in ("get_range", "size") and object_keys.kind(key) in IN_BLOCKS:
                return method(key, *arguments, **named)  # asks for the digests of its blocks
            began = time.thread_time()
            try:
                return method(key, *arguments, **named)
            finally:
                self._meter.take_off_since(began)

        return metered


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
