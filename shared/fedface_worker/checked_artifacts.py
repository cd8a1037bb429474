"""Artifacts that are named by their content are read against their name."""

from __future__ import annotations

from fedface_core.domain.errors import DamagedObjectError
from fedface_core.ports import ArtifactStore
from fedface_learning.formats.codec import sha256_hex


def get_checked(artifacts: ArtifactStore, key: str, sha256: str) -> bytes:
    """The whole object. `DamagedObjectError` where its SHA-256 is another, `ArtifactMissingError` where there is none."""
    data = artifacts.get(key)
    found = sha256_hex(data)
    if found != sha256:
        raise DamagedObjectError(f"the object {key} has the SHA-256 {found}: it was damaged")
    return data
