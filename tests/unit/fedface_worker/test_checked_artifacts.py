"""Objects that are named by their content are compared with their names."""

from __future__ import annotations

import pytest

from fedface_core.adapters.memory import MemoryArtifacts
from fedface_core.domain.errors import ArtifactMissingError, DamagedObjectError
from fedface_learning.formats.codec import sha256_hex
from fedface_worker.checked_artifacts import get_bounded, get_checked


def test_only_an_object_of_that_content_is_read() -> None:
    artifacts = MemoryArtifacts()
    artifacts.put("models/some", b"content")
    assert get_checked(artifacts, "models/some", sha256_hex(b"content")) == b"content"
    with pytest.raises(DamagedObjectError, match="the object models/some has the SHA-256"):
        get_checked(artifacts, "models/some", sha256_hex(b"other content"))
    with pytest.raises(ArtifactMissingError):
        get_checked(artifacts, "models/other", sha256_hex(b"content"))


def test_an_object_that_is_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    artifacts = MemoryArtifacts()
    artifacts.put("runs/some", b"content")
    digest = sha256_hex(b"content")
    assert get_bounded(artifacts, "runs/some", 7) == get_checked(artifacts, "runs/some", digest, 7) == b"content"
    monkeypatch.setattr(artifacts, "get", lambda key: pytest.fail(f"{key} was read"))
    monkeypatch.setattr(artifacts, "size", lambda _key: 10**15)
    with pytest.raises(DamagedObjectError, match=f"the object runs/some has {10**15} bytes; it may have 7 at most"):
        get_checked(artifacts, "runs/some", digest, 7)
