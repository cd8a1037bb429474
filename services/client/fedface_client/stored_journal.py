"""The journal of a simulated client, in the artifact store: each value is an object that is put once and never changed.

A real device has its journal in a file of its own. Where this one lies it holds against crashes, and against who is curious:
whoever can remove objects can have a client forget (ADR 41).
"""

from __future__ import annotations

import hashlib
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fedface_core.contracts import object_keys
from fedface_core.domain.errors import ArtifactMissingError, DamagedObjectError
from fedface_core.ports import ArtifactStore
from fedface_worker.checked_artifacts import get_bounded

_LONGEST: Final = 1024
"""Of a key and of a value, in characters; both are a few digests."""
_MOST_BYTES: Final = 8 * _LONGEST


class _Entry(BaseModel):
    """A value of the journal as it is stored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    key: str = Field(max_length=_LONGEST)
    value: str = Field(max_length=_LONGEST)


class StoredJournal:
    """The `fedface_core.secure_aggregation.masking_client.Journal` of one client in one run.

    Both methods raise `DamagedObjectError` if what is stored is no entry of this journal.
    """

    def __init__(self, artifacts: ArtifactStore, run_id: str, client: str) -> None:
        self._artifacts = artifacts
        self._run_id = run_id
        self._client = client

    def get(self, key: str, /) -> str | None:
        """The value under a key, if there is one."""
        try:
            return self._read(key)
        except ArtifactMissingError:
            return None

    def setdefault(self, key: str, value: str, /) -> str:
        """Store a value if there is none, durably; returns the value that is stored then."""
        entry = _Entry(key=key, value=value)
        if self._artifacts.put_once(self._place(key), entry.model_dump_json().encode()):
            return value
        return self._read(key)

    def _read(self, key: str) -> str:
        place = self._place(key)
        try:
            entry = _Entry.model_validate_json(get_bounded(self._artifacts, place, _MOST_BYTES))
        except ValidationError as error:
            raise DamagedObjectError(f"the object {place} is no entry of a journal") from error
        if entry.key != key:
            raise DamagedObjectError(f"the object {place} is another entry of the journal")
        return entry.value

    def _place(self, key: str) -> str:
        return object_keys.journal(self._run_id, self._client, hashlib.sha256(key.encode()).hexdigest())
