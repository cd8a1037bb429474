"""A checked object that is too large to be kept: it is read twice, and each block must be the same both times."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence

from fedface_core.domain.errors import FedFaceError
from fedface_core.domain.update import AcceptedUpdate
from fedface_core.ports import ArtifactStore
from fedface_learning.formats.block_file import BlockFile
from fedface_learning.updates.checks import read_accepted


class ReplacedError(FedFaceError):
    """An object was replaced while it was being used. The step has to begin again, and judges the new object."""

    status = 500
    title = "Object replaced"


def check_to_read_again(
    artifacts: ArtifactStore, key: str, blocks: Iterable[memoryview], accepted: AcceptedUpdate
) -> BlockFile:
    """Take all ``blocks`` of the object once, and return it as a file that reads them again, one at a time.

    Only their digests are kept. `UpdateRefusedError` if the object is not the accepted one. Reading the file raises
    `ReplacedError` if a block is another one by then, and the errors of the store.
    """
    digests: list[bytes] = []

    def noted() -> Iterator[memoryview]:
        for block in blocks:
            digests.append(hashlib.sha256(block).digest())
            yield block

    block_bytes = len(read_accepted(noted(), accepted)[0])
    again = _Again(artifacts, key, digests, bytearray(block_bytes))
    return BlockFile(accepted.size, block_bytes, again.block)


class _Again:
    """The blocks of an object, read from the store when they are asked for."""

    def __init__(self, artifacts: ArtifactStore, key: str, digests: Sequence[bytes], memory: bytearray) -> None:
        """The next block is read into ``memory``, which has the size of a block."""
        self._artifacts = artifacts
        self._key = key
        self._digests = digests
        self._memory = memory
        self._index: int | None = None  # of the block in memory
        self._block = memoryview(b"")

    def block(self, index: int) -> memoryview:
        """The block with this index, as it was when it was checked. The next call may overwrite it."""
        if index != self._index:
            self._index = None  # until the block is read, there is none
            start = index * len(self._memory)
            size = self._artifacts.read_into(self._key, start, self._memory)
            self._block = memoryview(self._memory)[: max(0, size - start)]
            if hashlib.sha256(self._block).digest() != self._digests[index]:
                raise ReplacedError(f"the object {self._key} was replaced after it was checked; its shard is summed again")
            self._index = index
        return self._block
