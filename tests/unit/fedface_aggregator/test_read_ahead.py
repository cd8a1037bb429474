"""What the aggregator reads ahead: in order, a bounded number of blocks, and no more of what it refuses."""

from __future__ import annotations

import threading
import tracemalloc

import pytest

from fedface_aggregator import read_ahead
from fedface_aggregator.read_ahead import ReadAhead
from fedface_core.adapters.memory import MemoryArtifacts
from fedface_core.domain.errors import UnavailableError, UpdateRefusedError
from fedface_core.ports import ArtifactStore

BLOCK = 64


class Watched(MemoryArtifacts):
    """A store that records what is read, and can be away."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[tuple[str, int]] = []
        self.away = False
        self.has_read = threading.Condition()

    def read_into(self, key: str, start: int, buffer: bytearray | memoryview) -> int:
        if self.away:
            raise UnavailableError("it is away")
        size = super().read_into(key, start, buffer)
        with self.has_read:
            self.read.append((key, start))
            self.has_read.notify_all()
        return size


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Watched:
    monkeypatch.setattr(read_ahead, "BLOCK_BYTES", BLOCK)
    watched = Watched()
    for index in range(8):
        watched.put(f"u/{index}", bytes([index]) * (3 * BLOCK - index))
    return watched


def sized_objects(store: ArtifactStore) -> list[tuple[str, int]]:
    return [(key, store.size(key)) for key in store.keys("u/")]


def test_objects_come_whole_and_in_order(store: Watched) -> None:
    with ReadAhead(store, sized_objects(store), 3 * BLOCK) as reading:
        for key, _ in sized_objects(store):
            assert b"".join(reading.next_object()) == store.get(key)
    assert store.read == [(f"u/{index}", start) for index in range(8) for start in range(0, 3 * BLOCK - index, BLOCK)]


def test_it_reads_one_object_and_a_few_blocks_ahead_and_no_further(store: Watched) -> None:
    most = 3 + read_ahead.BLOCKS_AHEAD
    with ReadAhead(store, sized_objects(store), 3 * BLOCK) as reading:
        with store.has_read:
            assert store.has_read.wait_for(lambda: len(store.read) >= most, timeout=30)
            assert not store.has_read.wait_for(lambda: len(store.read) > most, timeout=0.2)
        first = list(reading.next_object())
        list(reading.next_object())  # frees the blocks of the first object
        with store.has_read:
            assert store.has_read.wait_for(lambda: len(store.read) == most + len(first), timeout=30)


def test_an_object_that_is_not_taken_is_passed_over(store: Watched) -> None:
    with ReadAhead(store, sized_objects(store), 3 * BLOCK) as reading:
        reading.next_object()
        next(reading.next_object())
        assert b"".join(reading.next_object()) == store.get("u/2")


def test_an_object_declared_too_large_is_not_read_and_one_that_is_too_large_no_further_than_a_block(store: Watched) -> None:
    store.put("u/1", bytes(10 * BLOCK))
    declared = [("u/0", 10 * BLOCK), ("u/1", BLOCK), ("u/missing", BLOCK), ("u/2", BLOCK)]
    with ReadAhead(store, declared, 3 * BLOCK) as reading:
        for reason in ("too_large", "too_large", "missing"):
            with pytest.raises(UpdateRefusedError) as refused:
                list(reading.next_object())
            assert refused.value.reason == reason
        assert b"".join(reading.next_object()) == store.get("u/2")
    assert [key for key, _ in store.read].count("u/1") == 1
    assert "u/0" not in {key for key, _ in store.read}


def test_a_store_that_is_away_ends_the_fold_and_the_thread(store: Watched) -> None:
    store.away = True
    with pytest.raises(UnavailableError, match="it is away"), ReadAhead(store, sized_objects(store), 3 * BLOCK) as reading:
        list(reading.next_object())
    assert _ends()


def test_a_fold_that_breaks_off_ends_the_thread(store: Watched) -> None:
    with ReadAhead(store, sized_objects(store), 3 * BLOCK) as reading:
        next(reading.next_object())
    assert _ends()


def _ends() -> bool:
    """Whether every reading thread ends soon."""
    for thread in threading.enumerate():
        if thread.name == "read-ahead":
            thread.join(timeout=30)
    return all(thread.name != "read-ahead" for thread in threading.enumerate())


def test_memory_does_not_grow_with_the_number_of_objects(store: Watched) -> None:
    def peak_bytes(objects: int) -> int:
        listed = [("u/0", 3 * BLOCK)] * objects
        tracemalloc.start()
        with ReadAhead(store, listed, 3 * BLOCK) as reading:
            store.read.clear()
            for _ in range(objects):
                list(reading.next_object())
                store.read.clear()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    peak_bytes(10)
    # The objects have 384,000 bytes. What other tests have left running in this process may take some as well.
    assert peak_bytes(2000) < peak_bytes(10) + 100_000
