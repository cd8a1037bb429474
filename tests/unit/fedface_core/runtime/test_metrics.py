"""The artifact store that counts the bytes put and got."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY

from fedface_core.adapters.memory import MemoryArtifacts
from fedface_core.contracts import object_keys
from fedface_core.domain.errors import ArtifactMissingError, UnavailableError
from fedface_core.runtime.metrics import CountedArtifacts

RUN = "run-0123456789ab"
KEY = object_keys.class_embeddings(RUN, "0" * 64)


def moved(operation: str, kind: str = "class_embedding") -> float:
    labels = {"operation": operation, "kind": kind}
    return REGISTRY.get_sample_value("fedface_artifact_bytes_total", labels) or 0.0


def test_bytes_are_counted_by_operation_and_kind() -> None:
    store = CountedArtifacts(MemoryArtifacts())
    put = moved("put")
    got = moved("get")
    store.put(KEY, b"0123456789")
    assert store.get(KEY) == b"0123456789"
    assert store.get_range(KEY, 8, 100) == b"89"
    assert (moved("put") - put, moved("get") - got) == (10, 12)


@pytest.mark.parametrize(("start", "expected"), [(0, 4), (8, 2), (10, 0), (11, 0)])
def test_of_a_read_into_a_buffer_the_bytes_that_were_copied_are_counted(start: int, expected: int) -> None:
    store = CountedArtifacts(MemoryArtifacts())
    store.put(KEY, b"0123456789")
    got = moved("get")
    assert store.read_into(KEY, start, bytearray(4)) == 10
    assert moved("get") - got == expected


def test_operations_that_move_no_bytes_are_not_counted() -> None:
    store = CountedArtifacts(MemoryArtifacts())
    store.put(KEY, b"0123456789")
    before = moved("get")
    assert store.size(KEY) == 10
    assert store.keys("runs/") == [KEY]
    store.ping()
    store.delete(KEY)
    with pytest.raises(ArtifactMissingError):
        store.get(KEY)
    assert moved("get") == before


def test_a_store_that_does_not_answer_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    def down() -> None:
        raise UnavailableError("the S3 server does not answer")

    store = MemoryArtifacts()
    monkeypatch.setattr(store, "ping", down)
    with pytest.raises(UnavailableError, match="does not answer"):
        CountedArtifacts(store).ping()
