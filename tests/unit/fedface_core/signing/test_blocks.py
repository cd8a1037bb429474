"""An object in blocks: whatever its parts are, its digests are those of its blocks."""

from __future__ import annotations

import hashlib

import pytest

from fedface_core.signing import blocks

DATA = bytes(range(250)) * 4


@pytest.mark.parametrize("size", [0, 1, 64, 65, 1000])
@pytest.mark.parametrize("part", [1, 7, 64, 1000])
def test_the_digests_do_not_depend_on_the_parts(size: int, part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 64)
    data = DATA[:size]
    digests = blocks.block_digests(data[start : start + part] for start in range(0, size, part))
    assert digests == b"".join(hashlib.sha256(data[start : start + 64]).digest() for start in range(0, size, 64))
    assert len(digests) == blocks.DIGEST_BYTES * blocks.blocks_in(size)
    assert all(
        blocks.is_block(memoryview(data)[64 * index : 64 * index + 64], index, digests)
        for index in range(blocks.blocks_in(size))
    )
