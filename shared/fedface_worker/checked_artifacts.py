"""Reading of artifacts that are named by their content, with a check of that name."""

from __future__ import annotations

from fedface_core.domain.errors import DamagedObjectError
from fedface_core.ports import ArtifactStore
from fedface_learning.formats.codec import sha256_hex


def get_checked(artifacts: ArtifactStore, key: str, sha256: str) -> bytes:
    """Read a whole object into memory.

    `DamagedObjectError` if the object has another SHA-256, `ArtifactMissingError` if there is no such object.
    """
    data = artifacts.get(key)
    found = sha256_hex(data)
    if found != sha256:
        raise DamagedObjectError(f"the object {key} has the SHA-256 {found}: it was damaged")
    return data
