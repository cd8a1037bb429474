"""Objects that are named by their content are compared with their names."""

from __future__ import annotations

import pytest

from fedface_core.adapters.memory import MemoryArtifacts
from fedface_core.domain.errors import ArtifactMissingError, DamagedObjectError
from fedface_learning.formats.codec import sha256_hex
from fedface_worker.checked_artifacts import get_checked


def test_only_an_object_of_that_content_is_read() -> None:
    artifacts = MemoryArtifacts()
    artifacts.put("models/some", b"content")
    assert get_checked(artifacts, "models/some", sha256_hex(b"content")) == b"content"
    with pytest.raises(DamagedObjectError, match="the object models/some has the SHA-256"):
        get_checked(artifacts, "models/some", sha256_hex(b"other content"))
    with pytest.raises(ArtifactMissingError):
        get_checked(artifacts, "models/other", sha256_hex(b"content"))
