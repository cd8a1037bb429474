"""An object that is in blocks, as a file, so that its blocks need not be joined."""

from __future__ import annotations

import io
from collections.abc import Callable


class BlockFile(io.RawIOBase):
    """The blocks of an object one after the other, as a file to read. Only what is read is copied."""

    def __init__(self, size: int, block_bytes: int, block: Callable[[int], memoryview]) -> None:
        """``block`` gives the block with an index, counted from 0, which is used until the next call.

        All have ``block_bytes`` bytes, but for the last one of the ``size`` bytes, which may be shorter.
        """
        self._size = size
        self._block_bytes = block_bytes
        self._block = block
        self._position = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a byte, counted from the start, from here, or from the end; return which one that is."""
        self._position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        return self._position

    def tell(self) -> int:
        """The byte that is read next."""
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Copy the next bytes until ``buffer`` is full or the object ends, and return how many these are.

        Raises the errors of getting a block.
        """
        wanted = memoryview(buffer)
        count = max(0, min(len(wanted), self._size - self._position))
        done = 0
        while done < count:
            index, offset = divmod(self._position, self._block_bytes)
            part = self._block(index)[offset : offset + count - done]
            wanted[done : done + len(part)] = part
            done += len(part)
            self._position += len(part)
        return count
