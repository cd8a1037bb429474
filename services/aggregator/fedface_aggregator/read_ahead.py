"""Reads a shard's updates from the store while the updates before them are summed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
    """Gives objects one after the other, block by block, while a thread reads the next blocks.

    ``objects`` are the keys in order, each with the size that was accepted. An object of more than ``limit`` bytes is
    refused: before it is read if its accepted size says so, after one block if its real size is larger. At most
    one object and `BLOCKS_AHEAD` blocks are in memory, and their memory is used again.

    The thread calls ``check`` with each key before it gives the object's last block, and may refuse it. ``check`` also gets
    the object's size, and the ``behind`` bytes of the store behind the object if they came with that block, else None.
    """

    def __init__(
        self,
        artifacts: ArtifactStore,
        objects: Sequence[tuple[str, int]],
        limit: int,
        check: Callable[[str, int, bytes | None], None] = lambda _key, _size, _behind: None,
        behind: int = 0,
    ) -> None:
        self._artifacts = artifacts
        self._objects = objects
        self._limit = limit
        self._check = check
        self._behind = behind
        block_bytes = min(limit + behind + -(limit + behind) % 8, BLOCK_BYTES)  # a multiple of 8, so that no value is split
        self._free_blocks: SimpleQueue[bytearray] = SimpleQueue()
        for _ in range(-(-limit // block_bytes) + BLOCKS_AHEAD):
            self._free_blocks.put(bytearray(block_bytes))
        # What the thread has read: the blocks of an object, or why it is refused, then None; an error ends the queue.
        self._read: SimpleQueue[memoryview | BaseException | None] = SimpleQueue()
        self._blocks_in_use: list[memoryview] = []
        self._inside_object = False
        self._stopped = False
        # The thread gets the caller's context, in which log entries and notes name the run.
        self._thread = Thread(target=copy_context().run, args=(self._read_all,), name="read-ahead", daemon=True)

    def __enter__(self) -> Self:
        """Start the thread, which begins to read."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Let the thread end after the block that it reads now, without waiting for it: the store may be away."""
        self._stopped = True
        self._free_blocks.put(bytearray())  # the thread may be waiting for a block

    def next_object(self) -> Iterator[memoryview]:
        """The blocks of the next object in order. They are valid until the next call of this method.

        The iterator raises `UpdateRefusedError` if the object is missing or larger than the limit, and an error of the store
        that ended the thread.
        """
        while self._inside_object:  # the caller did not take all of an object that it refused
            self._take()
        self._free_used_blocks()
        self._inside_object = True
        return self._blocks()

    def _blocks(self) -> Iterator[memoryview]:
        while self._inside_object:
            taken = self._take()
            if isinstance(taken, memoryview):
                yield taken
            elif taken is not None:
                raise taken

    def _take(self) -> memoryview | UpdateRefusedError | None:
        taken = self._read.get()
        if isinstance(taken, memoryview):
            self._blocks_in_use.append(taken)
        elif taken is None:
            self._inside_object = False
        elif not isinstance(taken, UpdateRefusedError):
            raise taken
        return taken

    def _free_used_blocks(self) -> None:
        for block in self._blocks_in_use:
            assert isinstance(block.obj, bytearray)
            self._free_blocks.put(block.obj)
        self._blocks_in_use.clear()

    def _read_all(self) -> None:
        try:
            for key, accepted_size in self._objects:
                try:
                    self._read_object(key, accepted_size)
                except UpdateRefusedError as refused:
                    self._read.put(refused)
                self._read.put(None)
        except BaseException as error:  # it is raised in the thread that takes the blocks
            self._read.put(error)

    def _read_object(self, key: str, accepted_size: int) -> None:
        size = accepted_size
        start = 0
        is_checked = False
        while not self._stopped:
            if size > self._limit:
                raise UpdateRefusedError(
                    RefusalReason.TOO_LARGE, f"{key} has {size} bytes; at most {self._limit} are allowed"
                )
            if start >= size:
                if not is_checked:  # it is empty, or became smaller while it was read
                    self._check(key, size, None)
                return
            block = self._free_blocks.get()
            if self._stopped:
                return
            try:
                size = self._artifacts.read_into(key, start, block)
            except ArtifactMissingError as error:
                self._free_blocks.put(block)
                raise UpdateRefusedError(RefusalReason.MISSING, str(error)) from error
            if size <= self._limit and start < size <= start + len(block):
                self._check_read(key, size, block, size - start)
                is_checked = True
            self._read.put(memoryview(block)[: max(0, size - start)])
            start += len(block)

    def _check_read(self, key: str, size: int, block: bytearray, end: int) -> None:
        """Check an object of which ``block`` is the last one, up to its byte ``end``."""
        behind = bytes(memoryview(block)[end : end + self._behind])
        try:
            self._check(key, size, behind if len(behind) == self._behind else None)
        except BaseException:
            self._free_blocks.put(block)
            raise
