"""A checked object that is too large to be kept: it is read twice, and each block must be the same both times."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from fedface_core.domain.errors import FedFaceError
from fedface_core.domain.update import AcceptedUpdate
from fedface_core.ports import ArtifactStore
from fedface_learning.formats.block_file import BlockFile
from fedface_learning.updates.checks import read_accepted
from fedface_worker.artifact_files import StoredBlocks


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

    def check(index: int, block: memoryview) -> None:
        if digests[index : index + 1] != [hashlib.sha256(block).digest()]:
            raise ReplacedError(f"the object {key} was replaced after it was checked; its shard is summed again")

    return BlockFile(StoredBlocks(artifacts, key, block_bytes, check))
