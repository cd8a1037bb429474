"""Objects of the store as files: in parts, and checked if they are fetched whole."""

from __future__ import annotations

import io

import pytest

from fedface_core.adapters.memory import MemoryArtifacts
from fedface_core.domain.errors import ArtifactMissingError, DamagedObjectError, UnavailableError
from fedface_learning.formats.block_file import BlockFile
from fedface_learning.formats.codec import sha256_hex
from fedface_worker import artifact_files
from fedface_worker.artifact_files import StoredBlocks, fetch_artifact, open_artifact
from support.full_disk import full_disk

DATA = bytes(range(256)) * 5 + b"the end"
KEY = "models/some"


@pytest.fixture
def artifacts() -> MemoryArtifacts:
    store = MemoryArtifacts()
    store.put(KEY, DATA)
    return store


@pytest.mark.parametrize("block_bytes", [64, len(DATA) - 1, len(DATA), 4096], ids=["many", "two", "exact", "one"])
def test_a_fetched_object_is_whole_however_many_blocks_it_has(
    artifacts: MemoryArtifacts, block_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifact_files, "BLOCK_BYTES", block_bytes)
    with fetch_artifact(artifacts, KEY, sha256_hex(DATA)) as file:
        assert isinstance(file, io.BytesIO) == (len(DATA) <= block_bytes), "a large object is on disk"
        assert file.read() == DATA


def test_an_object_of_other_content_is_damaged(artifacts: MemoryArtifacts) -> None:
    with pytest.raises(DamagedObjectError, match=f"the object {KEY} has the SHA-256 {sha256_hex(DATA)}: it was damaged"):
        fetch_artifact(artifacts, KEY, "a" * 64)


@pytest.mark.parametrize("free", [0, 100], ids=["nothing", "a part"])
def test_a_full_disk_is_named_and_may_get_room(
    artifacts: MemoryArtifacts, free: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifact_files, "BLOCK_BYTES", 64)
    with full_disk(free), pytest.raises(UnavailableError, match=f"cannot keep {KEY} in a temporary file: .*TMPDIR"):
        fetch_artifact(artifacts, KEY, sha256_hex(DATA))


def test_an_opened_object_can_be_read_from_anywhere(artifacts: MemoryArtifacts) -> None:
    with open_artifact(artifacts, KEY) as file:
        assert file.seek(-7, io.SEEK_END) == len(DATA) - 7
        assert file.read() == b"the end"
        assert file.read(1) == b""
        file.seek(250)
        assert file.read(10) == DATA[250:260]
        assert file.tell() == 260
        file.seek(5, io.SEEK_CUR)
        assert file.read(1) == DATA[265:266]


def test_a_missing_object_is_noticed_at_the_first_read() -> None:
    with pytest.raises(ArtifactMissingError):
        fetch_artifact(MemoryArtifacts(), KEY, "a" * 64)
    file = open_artifact(MemoryArtifacts(), KEY)
    with pytest.raises(ArtifactMissingError):
        file.read(1)


def test_an_object_that_became_shorter_ends_where_it_ends(artifacts: MemoryArtifacts) -> None:
    with io.BufferedReader(BlockFile(StoredBlocks(artifacts, KEY, block_bytes=64)), buffer_size=64) as file:
        assert file.read(10) == DATA[:10]
        artifacts.put(KEY, DATA[:100])
        assert file.read(500) == DATA[10:100]
        assert file.read(1) == b""
