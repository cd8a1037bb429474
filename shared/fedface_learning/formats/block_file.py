"""An object that is in blocks, as a file, so that its blocks need not be joined."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Protocol


class BlockSource(Protocol):
    """An object in blocks of ``block_bytes`` bytes each, but for the last one, which may be shorter."""

    @property
    def block_bytes(self) -> int:
        """The bytes of a block."""

    @property
    def size(self) -> int:
        """The bytes of the object."""

    def block(self, index: int) -> memoryview:
        """The block with an index, counted from 0. The next call may overwrite it."""


class HeldBlocks:
    """Blocks that are in memory, at least one."""

    def __init__(self, blocks: Sequence[memoryview]) -> None:
        self.block_bytes = len(blocks[0])
        self.size = sum(map(len, blocks))
        self._blocks = blocks

    def block(self, index: int) -> memoryview:
        """The block with this index."""
        return self._blocks[index]


class BlockFile(io.RawIOBase):
    """The blocks of an object one after the other, as a file to read. Only what is read is copied."""

    def __init__(self, blocks: BlockSource) -> None:
        self._blocks = blocks
        self._position = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a byte, counted from the start, from here, or from the end; return which one that is.

        From the end it raises the errors of getting a block.
        """
        start = self._blocks.size if whence == io.SEEK_END else {io.SEEK_SET: 0, io.SEEK_CUR: self._position}[whence]
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        """The byte that is read next."""
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Copy the next bytes until ``buffer`` is full or the object ends, and return how many these are.

        An object that became shorter since its first block was read ends where it ends now. Raises the errors of getting a
        block.
        """
        wanted = memoryview(buffer)
        count = max(0, min(len(wanted), self._blocks.size - self._position))
        done = 0
        while done < count:
            index, offset = divmod(self._position, self._blocks.block_bytes)
            part = self._blocks.block(index)[offset : offset + count - done]
            if not part:
                break
            wanted[done : done + len(part)] = part
            done += len(part)
            self._position += len(part)
        return done
