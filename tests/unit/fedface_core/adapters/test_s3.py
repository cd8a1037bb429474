"""Many objects are put some at a time: with one connection after the other, a round of many clients would wait for each."""

from __future__ import annotations

import threading
import time

import pytest

from fedface_core.adapters.s3 import CONNECTIONS, PUTS_AT_ONCE, S3Artifacts
from fedface_core.domain.errors import UnavailableError


class CountingArtifacts(S3Artifacts):
    """A store whose puts wait until as many are under way as may be."""

    def __init__(self) -> None:
        super().__init__("127.0.0.1:1", "bucket", "key", "secret")
        self.together = threading.Barrier(PUTS_AT_ONCE)
        self.under_way = threading.Semaphore(PUTS_AT_ONCE)
        self.stored: dict[str, bytes] = {}

    def put(self, key: str, *data: bytes | memoryview, sha256: str | None = None) -> None:
        """Store the object once `PUTS_AT_ONCE` puts are under way. No more may be."""
        assert self.under_way.acquire(blocking=False), "too many puts at once"
        self.together.wait(timeout=5)
        self.stored[key] = b"".join(data)
        self.under_way.release()


def test_as_many_puts_are_under_way_as_there_are_connections_for() -> None:
    store = CountingArtifacts()
    objects = {f"rows/{index}": (bytes([index]), b"end") for index in range(3 * PUTS_AT_ONCE)}
    store.put_all(objects)
    assert store.stored == {key: b"".join(parts) for key, parts in objects.items()}
    assert PUTS_AT_ONCE <= CONNECTIONS


def test_an_error_is_raised_and_puts_that_have_not_begun_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    store = S3Artifacts("127.0.0.1:1", "bucket", "key", "secret")
    begun: list[str] = []

    def fail(key: str, *_data: bytes) -> None:
        begun.append(key)
        if key == "rows/0":
            raise UnavailableError("the store is away")
        time.sleep(0.05)

    monkeypatch.setattr(store, "put", fail)
    with pytest.raises(UnavailableError, match="the store is away"):
        store.put_all({f"rows/{index}": (b"",) for index in range(100)})
    assert len(begun) < 100
