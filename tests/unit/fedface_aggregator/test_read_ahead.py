"""What the aggregator reads ahead: in order, a bounded number of blocks, and no more of what it refuses."""

from __future__ import annotations

import gc
import threading
import tracemalloc
from contextlib import suppress
from typing import cast

import pytest

from fedface_aggregator import read_ahead
from fedface_aggregator.read_ahead import ReadAhead
from fedface_core.adapters.memory import MemoryArtifacts
from fedface_core.domain.errors import UnavailableError, UpdateRefusedError
from fedface_core.domain.update import AcceptedUpdate, RefusalReason
from fedface_core.ports import ArtifactStore
from fedface_learning.formats.codec import sha256_hex
from fedface_learning.updates.checks import read_accepted
from fedface_learning.updates.form import HashedBlocks

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
    blocks = [(f"u/{index}", start) for index in range(8) for start in range(0, 3 * BLOCK - index, BLOCK)]
    assert sorted(store.read) == blocks


def test_an_object_of_one_block_is_hashed_by_the_thread_that_reads_it(
    store: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("u/1", b"short")
    hashing: list[str] = []

    def noted(data: memoryview) -> str:
        hashing.append(threading.current_thread().name)
        return sha256_hex(data)

    monkeypatch.setattr(read_ahead, "sha256_hex", noted)
    with ReadAhead(store, sized_objects(store)[:3], 3 * BLOCK) as reading:
        assert len(list(reading.next_object())) == 3
        short = reading.next_object()
        assert isinstance(short, HashedBlocks)
        data = read_accepted(short, AcceptedUpdate(sha256=sha256_hex(b"short"), size=5, images=1))
        assert b"".join(data) == b"short"
        list(reading.next_object())
    assert hashing == ["read-ahead"]


def test_a_hash_that_was_not_accepted_refuses_the_object(store: Watched) -> None:
    store.put("u/1", b"short")
    accepted = AcceptedUpdate(sha256=sha256_hex(b"other"), size=5, images=1)
    with ReadAhead(store, [("u/1", 5)], BLOCK) as reading, pytest.raises(UpdateRefusedError, match="but d9298") as refused:
        read_accepted(reading.next_object(), accepted)
    assert refused.value.reason == "changed"


def test_it_reads_one_object_and_a_few_blocks_ahead_and_no_further(store: Watched) -> None:
    most = 3 + read_ahead.READS_AT_ONCE
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


def test_of_an_object_that_is_not_held_one_block_is_in_memory_at_a_time(store: Watched) -> None:
    store.put("u/0", bytes(range(20)) * BLOCK)
    objects = sized_objects(store)
    most = 3 + read_ahead.READS_AT_ONCE
    with ReadAhead(store, objects, 20 * BLOCK, held=3 * BLOCK) as reading:
        with store.has_read:
            assert store.has_read.wait_for(lambda: len(store.read) >= most, timeout=30)
            assert not store.has_read.wait_for(lambda: len(store.read) > most, timeout=0.2)
        assert b"".join(bytes(block) for block in reading.next_object()) == store.get("u/0")
        for key, _ in objects[1:]:
            assert b"".join(reading.next_object()) == store.get(key), "smaller objects are held"


def test_an_object_that_is_not_held_and_not_taken_is_passed_over(store: Watched) -> None:
    store.put("u/0", bytes(30 * BLOCK))
    with ReadAhead(store, sized_objects(store), 30 * BLOCK, held=3 * BLOCK) as reading:
        next(reading.next_object())
        assert b"".join(reading.next_object()) == store.get("u/1")


def test_large_blocks_are_bounded_by_their_bytes(store: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_ahead, "BYTES_AHEAD", 2 * BLOCK)
    with ReadAhead(store, sized_objects(store), 3 * BLOCK), store.has_read:
        assert store.has_read.wait_for(lambda: len(store.read) >= 5, timeout=30)
        assert not store.has_read.wait_for(lambda: len(store.read) > 5, timeout=0.2)


@pytest.mark.parametrize("blocks", [1, 3])
def test_small_objects_and_the_blocks_of_large_ones_are_read_at_once(blocks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_ahead, "BLOCK_BYTES", BLOCK)
    meeting = threading.Barrier(read_ahead.READS_AT_ONCE)

    class Waiting(MemoryArtifacts):
        """A store that answers nobody before so many ask."""

        def read_into(self, key: str, start: int, buffer: bytearray | memoryview) -> int:
            meeting.wait(timeout=30)
            return super().read_into(key, start, buffer)

    store = Waiting()
    for index in range(read_ahead.READS_AT_ONCE):
        store.put(f"u/{index}", bytes([index]) * (blocks * BLOCK))
    with ReadAhead(store, sized_objects(store), blocks * BLOCK) as reading:
        assert [b"".join(reading.next_object())[:1] for _ in sized_objects(store)] == [bytes([index]) for index in range(8)]


@pytest.mark.parametrize("size", [BLOCK, 2 * BLOCK, 3 * BLOCK, 3 * BLOCK - 1])
def test_an_object_of_another_size_than_accepted_is_checked_and_then_refused_as_changed(store: Watched, size: int) -> None:
    store.put("u/1", bytes(2 * BLOCK + 1))
    checked: list[tuple[str, int, bytes | None]] = []
    objects = [("u/1", size), ("u/2", store.size("u/2"))]
    with ReadAhead(store, objects, 3 * BLOCK, lambda *of_object: checked.append(of_object)) as reading:
        with pytest.raises(UpdateRefusedError, match=f"has {2 * BLOCK + 1} bytes, but {size} were accepted") as refused:
            list(reading.next_object())
        assert refused.value.reason == RefusalReason.CHANGED
        assert b"".join(reading.next_object()) == store.get("u/2")
    assert ("u/1", 2 * BLOCK + 1, None) in checked


def test_an_object_declared_too_large_is_not_read_and_one_that_is_too_large_no_further_than_a_block(store: Watched) -> None:
    store.put("u/1", bytes(10 * BLOCK))
    declared = [("u/0", 10 * BLOCK), ("u/1", BLOCK), ("u/missing", BLOCK), ("u/2", store.size("u/2"))]
    with ReadAhead(store, declared, 3 * BLOCK) as reading:
        for reason in ("too_large", "too_large", "missing"):
            with pytest.raises(UpdateRefusedError) as refused:
                list(reading.next_object())
            assert refused.value.reason == reason
        assert b"".join(reading.next_object()) == store.get("u/2")
    assert [key for key, _ in store.read].count("u/1") == 1
    assert "u/0" not in {key for key, _ in store.read}


BEHIND = 8


def checks(store: Watched, objects: list[tuple[str, int]], limit: int) -> list[tuple[str, int, bytes | None]]:
    """What is checked: key, size, and what was read behind it."""
    found: list[tuple[str, int, bytes | None]] = []

    def check(key: str, size: int, behind: bytes | None) -> None:
        found.append((key, size, behind))

    with ReadAhead(cast("ArtifactStore", Shortened(store)), objects, limit, check, BEHIND) as reading:
        for _ in objects:
            with suppress(UpdateRefusedError):
                list(reading.next_object())
    return sorted(found)


class Shortened:
    """A store whose objects have 8 bytes more than it says: their signatures."""

    def __init__(self, store: Watched) -> None:
        self._store = store

    def read_into(self, key: str, start: int, buffer: bytearray | memoryview) -> int:
        return max(0, self._store.read_into(key, start, buffer) - BEHIND)


def test_an_object_is_checked_with_what_was_read_behind_it_and_without_a_further_read(store: Watched) -> None:
    store.put("u/0", b"content!" + b"SIGNED_0")
    store.put("u/1", b"co" + b"SIGNED_1")
    assert checks(store, [("u/0", 8), ("u/1", 2)], limit=8) == [("u/0", 8, b"SIGNED_0"), ("u/1", 2, b"SIGNED_1")]
    assert len(store.read) == 2


def test_the_check_asks_itself_if_the_signature_is_in_no_block(store: Watched) -> None:
    store.put("u/0", bytes(2 * BLOCK - 4) + b"SIGNED_0")
    store.put("u/1", bytes(2 * BLOCK - BEHIND) + b"SIGNED_1")
    objects = [("u/0", 2 * BLOCK - 4), ("u/1", 2 * BLOCK - BEHIND)]
    found = checks(store, objects, limit=3 * BLOCK)
    assert found == [("u/0", 2 * BLOCK - 4, None), ("u/1", 2 * BLOCK - BEHIND, b"SIGNED_1")]


def test_an_object_that_becomes_smaller_or_empty_meanwhile_is_checked_all_the_same(store: Watched) -> None:
    class Shrinking(Watched):
        def read_into(self, key: str, start: int, buffer: bytearray | memoryview) -> int:
            if start:
                self.put(key, bytes(BLOCK // 2))
            return super().read_into(key, start, buffer)

    shrinking = Shrinking()
    shrinking.put("u/0", bytes(2 * BLOCK))
    shrinking.put("u/1", bytes(BEHIND))
    found = checks(shrinking, [("u/0", 2 * BLOCK - BEHIND), ("u/1", 0)], limit=3 * BLOCK)
    assert found == [("u/0", BLOCK // 2 - BEHIND, None), ("u/1", 0, None)]


def test_a_refused_object_gives_no_last_block_and_the_next_one_is_read(store: Watched) -> None:
    def refuse_first(key: str, _size: int, _behind: bytes | None) -> None:
        if key == "u/0":
            raise UpdateRefusedError(RefusalReason.UNSIGNED, "forged")

    with ReadAhead(store, sized_objects(store), 3 * BLOCK, refuse_first) as reading:
        given: list[memoryview] = []
        with pytest.raises(UpdateRefusedError, match="forged"):
            given.extend(reading.next_object())
        assert b"".join(reading.next_object()) == store.get("u/1")


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


def test_without_room_for_a_thread_the_others_end(store: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[threading.Thread] = []
    begin = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        begun.append(thread)
        if len(begun) == 3:
            raise RuntimeError("can't start new thread")
        begin(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(RuntimeError, match="new thread"), ReadAhead(store, sized_objects(store), 3 * BLOCK):
        pass
    assert _ends()


def test_its_memory_is_free_at_once_without_the_garbage_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    block = 2**20
    monkeypatch.setattr(read_ahead, "BLOCK_BYTES", block)
    store = MemoryArtifacts()
    for index in range(3):
        store.put(f"u/{index}", bytes(2 * block))
    gc.disable()
    tracemalloc.start()
    try:
        with ReadAhead(store, sized_objects(store), 2 * block) as reading:
            for _ in range(2):
                assert len(b"".join(reading.next_object())) == 2 * block
            threads = [thread for thread in threading.enumerate() if thread.name == "read-ahead"]
        for thread in threads:
            thread.join(10)
        assert tracemalloc.get_traced_memory()[0] < block / 2
    finally:
        tracemalloc.stop()
        gc.enable()
