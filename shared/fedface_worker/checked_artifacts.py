"""Reading of artifacts that are named by their content, with a check of that name."""

from __future__ import annotations

from fedface_core.domain.errors import DamagedObjectError
from fedface_core.ports import ArtifactStore
from fedface_learning.formats.codec import sha256_hex


def get_bounded(artifacts: ArtifactStore, key: str, most: int) -> bytes:
    """Read a whole object of ``most`` bytes at most into memory: one that a client may have put, who could put a huge one.

    `DamagedObjectError` if the object is larger, `ArtifactMissingError` if there is no such object.
    """
    size = artifacts.size(key)
    if size > most:
        raise DamagedObjectError(f"the object {key} has {size} bytes; it may have {most} at most")
    return artifacts.get(key)


def get_checked(artifacts: ArtifactStore, key: str, sha256: str, most: int | None = None) -> bytes:
    """Read a whole object into memory.

    `DamagedObjectError` if the object has another SHA-256, or more than ``most`` bytes if that is given;
    `ArtifactMissingError` if there is no such object.
    """
    data = artifacts.get(key) if most is None else get_bounded(artifacts, key, most)
    found = sha256_hex(data)
    if found != sha256:
        raise DamagedObjectError(f"the object {key} has the SHA-256 {found}: it was damaged")
    return data
