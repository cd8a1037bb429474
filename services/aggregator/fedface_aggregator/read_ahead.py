"""Reads a shard's updates from the store, some at a time, while the updates before them are summed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextvars import copy_context
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Thread
from typing import Final, Self

from fedface_core.domain.errors import ArtifactMissingError, UpdateRefusedError
from fedface_core.domain.update import RefusalReason
from fedface_core.ports import ArtifactStore
from fedface_learning.formats.codec import sha256_hex
from fedface_learning.updates.form import HashedBlocks

BLOCK_BYTES: Final = 8 * 2**20
BYTES_AHEAD: Final = 4 * BLOCK_BYTES
READS_AT_ONCE: Final = 8
"""Small objects are read so many at a time. Of a store that is far away, a reader alone would mostly wait for answers."""


def reads_under_way(block_bytes: int) -> int:
    """How many blocks of this size are read at once: as many as there is memory for, `READS_AT_ONCE` at most."""
    return min(READS_AT_ONCE, BYTES_AHEAD // block_bytes)


@dataclass
class _Read:
    """The read of one block of an object, which begins at its byte ``start``."""

    key: str
    accepted_size: int
    start: int
    block: bytearray
    size: Future[int] = field(default_factory=Future)
    """The object's size, once the block is read; or why the object is refused, or the error of the store."""
    sha256: str = ""
    """The SHA-256 of the object, if it has no other block."""


class ReadAhead:
    """Gives objects one after the other, block by block, while threads read the next blocks.

    ``objects`` are the keys in order, each with the size that was accepted. An object is refused if that is more than
    ``limit`` bytes, which is found before it is read, or if its real size is another one. At most one object is in memory,
    and besides it `READS_AT_ONCE` blocks and `BYTES_AHEAD` bytes. Their memory is used again. Of an object with more than
    ``held`` bytes only one block is in memory; without ``held`` there is no such object.

    An object of one block is hashed by the thread that reads it, since several threads can hash at once. A thread calls
    ``check`` with each key before the object's last block is given, and may refuse it. ``check`` also gets the object's
    size, and the ``behind`` bytes of the store behind the object if they came with that block, else None.
    """

    def __init__(
        self,
        artifacts: ArtifactStore,
        objects: Sequence[tuple[str, int]],
        limit: int,
        check: Callable[[str, int, bytes | None], None] = lambda _key, _size, _behind: None,
        behind: int = 0,
        held: int | None = None,
    ) -> None:
        self._artifacts = artifacts
        self._objects = iter(objects)
        self._limit = limit
        self._held = limit if held is None else min(held, limit)
        self._check = check
        self._behind = behind
        # A multiple of 8, so that no value is split.
        self._block_bytes = min(limit + behind + -(limit + behind) % 8, BLOCK_BYTES)
        blocks_ahead = reads_under_way(self._block_bytes)
        blocks = -(-self._held // self._block_bytes) + blocks_ahead
        self._free_blocks = [bytearray(self._block_bytes) for _ in range(blocks)]
        self._blocks_in_use: list[bytearray] = []
        self._to_begin = ((key, size, start) for key, size in objects for start in self._starts(size))
        self._begun: deque[_Read] = deque()  # in order; those of the current object come first
        self._of_current_object = 0
        self._gives_block_by_block = False  # the current object is larger than what is held
        self._for_threads: SimpleQueue[_Read | None] = SimpleQueue()
        self._stopped = False
        # Each thread gets the caller's context, in which log entries and notes name the run.
        self._threads = [
            Thread(target=copy_context().run, args=(self._serve_reads,), name="read-ahead", daemon=True)
            for _ in range(min(blocks_ahead, sum(len(self._starts(size)) for _, size in objects)))
        ]

    def __enter__(self) -> Self:
        """Start the threads, which begin to read."""
        try:
            for thread in self._threads:
                thread.start()
        except RuntimeError:  # there is no room for one more
            self.__exit__()  # those that were started would wait for ever, and keep the blocks
            raise
        self._begin_reads()
        return self

    def __exit__(self, *_error: object) -> None:
        """Let the threads end after the blocks that they read now, without waiting for them: the store may be away.

        The blocks are freed at once. A thread and this object know each other, so the garbage collector alone would free
        them, at some time when another step needs their memory.
        """
        self._stopped = True
        for _ in self._threads:
            self._for_threads.put(None)
        for blocks in (self._free_blocks, self._blocks_in_use, self._begun):
            blocks.clear()

    def next_object(self) -> Iterator[memoryview]:
        """The blocks of the next object in order. They are valid until the next call of this method; of an object that is
        too large to be held, until the next block is taken.

        The iterator raises `UpdateRefusedError` if the object is missing, has another size than accepted or is larger than
        the limit, and an error of the store.
        """
        while self._of_current_object:  # the caller did not take all of an object that it refused
            error = self._taken().size.exception()
            if error is not None and not isinstance(error, UpdateRefusedError):
                raise error
        self._use_again()
        key, accepted_size = next(self._objects)
        self._gives_block_by_block = accepted_size > self._held
        self._of_current_object = len(self._starts(accepted_size))
        blocks = self._blocks(key, accepted_size)
        if self._of_current_object != 1:
            return blocks
        only = self._begun[0]
        return HashedBlocks(blocks, lambda: only.sha256)

    def _blocks(self, key: str, accepted_size: int) -> Iterator[memoryview]:
        self._require_within_limit(key, accepted_size)
        if not accepted_size:
            self._check(key, 0, None)  # no block is read with which it could be checked
        while self._of_current_object:
            read = self._taken()
            size = read.size.result()
            self._require_within_limit(key, size)
            if size != accepted_size:
                self._check(key, size, None)
                raise UpdateRefusedError(RefusalReason.CHANGED, f"{key} has {size} bytes, but {accepted_size} were accepted")
            yield memoryview(read.block)[: size - read.start]

    def _require_within_limit(self, key: str, size: int) -> None:
        if size > self._limit:
            raise UpdateRefusedError(RefusalReason.TOO_LARGE, f"{key} has {size} bytes; at most {self._limit} are allowed")

    def _starts(self, size: int) -> range:
        """Where the blocks of an object of this size begin. One that is too large is not read."""
        return range(0, size if size <= self._limit else 0, self._block_bytes)

    def _use_again(self) -> None:
        """Read the next blocks into the memory of those that were used."""
        self._free_blocks += self._blocks_in_use
        self._blocks_in_use.clear()
        self._begin_reads()

    def _begin_reads(self) -> None:
        """Have the next blocks read, in order, as many as there is memory for: so the object that is due is among them."""
        while self._free_blocks and (due := next(self._to_begin, None)) is not None:
            read = _Read(*due, self._free_blocks.pop())
            self._begun.append(read)
            self._for_threads.put(read)

    def _taken(self) -> _Read:
        """The next read of the current object. It may still go on."""
        if self._gives_block_by_block:
            self._use_again()
        read = self._begun.popleft()
        self._of_current_object -= 1
        self._blocks_in_use.append(read.block)
        return read

    def _serve_reads(self) -> None:
        while (read := self._for_threads.get()) is not None and not self._stopped:
            try:
                read.size.set_result(self._read(read))
            except ArtifactMissingError as error:
                read.size.set_exception(UpdateRefusedError(RefusalReason.MISSING, str(error)))
            except BaseException as error:  # it is raised in the thread that takes the block
                read.size.set_exception(error)

    def _read(self, read: _Read) -> int:
        """Read a block, and check the object if that was its last one. Returns the object's size."""
        size = self._artifacts.read_into(read.key, read.start, read.block)
        end = size - read.start
        if size == read.accepted_size and end <= len(read.block):
            behind = bytes(memoryview(read.block)[end : end + self._behind])
            self._check(read.key, size, behind if len(behind) == self._behind else None)
            if not read.start:
                read.sha256 = sha256_hex(memoryview(read.block)[:end])
        return size
