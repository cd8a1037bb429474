"""The objects of a run's artifact store, in a folder or in S3, as whoever may read the store sees them: without checks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from fedface_core.bootstrap import artifact_store
from fedface_core.domain.errors import ArtifactMissingError, InvalidInputError
from fedface_core.files.bounded_file import read_bytes
from fedface_core.ports import ArtifactStore
from fedface_core.runtime.environment_settings import settings_or_exit
from fedface_core.runtime.store_settings import StoreSettings
from fedface_core.signing.trailer import TRAILER_BYTES, has_trailer


class StoredObjects(Protocol):
    """Reads objects, of which nothing is changed."""

    def read(self, key: str, most: int) -> bytes:
        """An object of ``most`` bytes at most, without its signature.

        `ArtifactMissingError` if there is none; an error of FedFace's that names it if it is larger or cannot be read.
        """

    def place(self, key: str) -> str:
        """Where the object is, for messages."""

    def remedy(self) -> str:
        """What to check if the store does not have a run."""


@dataclass(frozen=True)
class FolderObjects:
    """The objects of a directory store, whose folder is not written to."""

    folder: Path

    def read(self, key: str, most: int) -> bytes:
        """An object of ``most`` bytes at most, without its signature."""
        file = self.folder / key
        if not file.is_file():
            raise ArtifactMissingError(f"there is no artifact {file}")
        return without_trailer(read_bytes(file, most + TRAILER_BYTES))

    def place(self, key: str) -> str:
        """Where the object is, for messages."""
        return str(self.folder / key)

    def remedy(self) -> str:
        """What to check if the store does not have a run."""
        return "--artifacts names the store's folder, which is `artifacts` in the folder of `fedface up`"


@dataclass(frozen=True)
class BucketObjects:
    """The objects of an S3 store, by a key that may read a round's record, models, updates and guidance."""

    store: ArtifactStore
    name: str

    def read(self, key: str, most: int) -> bytes:
        """An object of ``most`` bytes at most, without its signature."""
        size = self.store.size(key)
        if size > most + TRAILER_BYTES:
            raise InvalidInputError(f"{self.place(key)} has {size} bytes; it may have {most} at most")
        return without_trailer(self.store.get(key))

    def place(self, key: str) -> str:
        """Where the object is, for messages."""
        return f"{self.name}/{key}"

    def remedy(self) -> str:
        """What to check if the store does not have a run."""
        return "check FEDFACE_S3_ENDPOINT and FEDFACE_S3_BUCKET"


class _BucketSettings(StoreSettings):
    """The settings of S3, as the services have them. Which kind of store it is need not be set again."""

    artifacts: Literal["s3"] = "s3"


def stored_objects(artifacts: str) -> StoredObjects:
    """The store that ``--artifacts`` names: ``s3`` for the bucket of the environment's settings, or else a folder.

    If a setting of S3 is missing or wrong, the process says which, and exits.
    """
    if artifacts != "s3":
        return FolderObjects(Path(artifacts))
    settings = settings_or_exit(_BucketSettings)
    return BucketObjects(artifact_store(settings), settings.s3_bucket)


def without_trailer(data: bytes) -> bytes:
    """An object without the signature behind it, if it has one."""
    return data[:-TRAILER_BYTES] if has_trailer(data) else data
