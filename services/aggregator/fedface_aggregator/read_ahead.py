"""Reads a shard's updates from the store while those before them are summed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextvars import copy_context
from queue import SimpleQueue
from threading import Thread
from typing import Final, Self

from fedface_core.domain.errors import ArtifactMissingError, UpdateRefusedError
from fedface_core.domain.update import RefusalReason
from fedface_core.ports import ArtifactStore

BLOCK_BYTES: Final = 8 * 2**20
BLOCKS_AHEAD: Final = 4


class ReadAhead:
    """Gives objects in turn, block by block, while a thread reads what comes next.

    It holds one object and `BLOCKS_AHEAD` blocks at most, and uses their memory again. ``wanted`` are the keys, each with
    the size that was accepted. What is larger than ``limit`` is refused before it is read; where the object has another size
    than was accepted, after a block.
    """

    def __init__(self, artifacts: ArtifactStore, wanted: Sequence[tuple[str, int]], limit: int) -> None:
        self._artifacts = artifacts
        self._wanted = wanted
        self._limit = limit
        block_bytes = min(limit + -limit % 8, BLOCK_BYTES)  # of 8, so that no value is split
        self._free: SimpleQueue[bytearray] = SimpleQueue()
        for _ in range(-(-limit // block_bytes) + BLOCKS_AHEAD):
            self._free.put(bytearray(block_bytes))
        self._read: SimpleQueue[memoryview | BaseException | None] = SimpleQueue()
        self._given: list[memoryview] = []
        self._more_to_come = self._stopped = False
        # With the context, by which logs and notes name the run that they belong to.
        self._thread = Thread(target=copy_context().run, args=(self._read_all,), name="read-ahead", daemon=True)

    def __enter__(self) -> Self:
        """The thread begins to read."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """The thread ends after the block that it reads. It is not waited for: the store may be away."""
        self._stopped = True
        self._free.put(bytearray())  # it may wait for one

    def next(self) -> Iterator[memoryview]:
        """The blocks of the next object, whose memory is its own until the next call.

        To take them raises `UpdateRefusedError` where there is no object, or a larger one than the limit.
        """
        while self._more_to_come:  # of an object that was refused before all of it was taken
            self._take()
        self._give_back()
        self._more_to_come = True
        return self._blocks()

    def _blocks(self) -> Iterator[memoryview]:
        while self._more_to_come:
            taken = self._take()
            if isinstance(taken, memoryview):
                yield taken
            elif taken is not None:
                raise taken

    def _take(self) -> memoryview | UpdateRefusedError | None:
        taken = self._read.get()
        if isinstance(taken, memoryview):
            self._given.append(taken)
        elif taken is None:
            self._more_to_come = False
        elif not isinstance(taken, UpdateRefusedError):
            raise taken
        return taken

    def _give_back(self) -> None:
        for block in self._given:
            assert isinstance(block.obj, bytearray)
            self._free.put(block.obj)
        self._given.clear()

    def _read_all(self) -> None:
        try:
            for key, accepted_size in self._wanted:
                try:
                    self._read_object(key, accepted_size)
                except UpdateRefusedError as refused:
                    self._read.put(refused)
                self._read.put(None)
        except BaseException as error:  # it is raised in the thread that asks for the object
            self._read.put(error)

    def _read_object(self, key: str, accepted_size: int) -> None:
        size, start = accepted_size, 0
        while not self._stopped:
            if size > self._limit:
                raise UpdateRefusedError(
                    RefusalReason.TOO_LARGE, f"{key} has {size} bytes; at most {self._limit} are allowed"
                )
            if start >= size:
                return
            block = self._free.get()
            if self._stopped:
                return
            try:
                size = self._artifacts.read_into(key, start, block)
            except ArtifactMissingError as error:
                self._free.put(block)
                raise UpdateRefusedError(RefusalReason.MISSING, str(error)) from error
            self._read.put(memoryview(block)[: max(0, size - start)])
            start += len(block)
