"""What an aggregator has of a round that has ended: its record, the models, the updates; read from the run's store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from pydantic import ValidationError
from torch import Tensor

from fedface_core.contracts import object_keys
from fedface_core.contracts.manifest import Manifest
from fedface_core.domain.errors import ArtifactMissingError, InvalidInputError
from fedface_core.domain.ids import client_index
from fedface_core.files.safetensors_header import MAX_MODEL_BYTES
from fedface_lab.attack.stored_objects import StoredObjects
from fedface_learning.formats.class_embeddings import decode_class_embeddings
from fedface_learning.formats.codec import decode_tensors, sha256_hex
from fedface_learning.strategies import NOTHING, Tensors

_MOST_MANIFEST_BYTES: Final = 2**28


@dataclass(frozen=True)
class StoredRound:
    """A round that has ended, and the objects of its store."""

    objects: StoredObjects
    manifest: Manifest

    @classmethod
    def read(cls, objects: StoredObjects, run: str, number: int) -> Self:
        """The round as its manifest has it. `InvalidInputError` if the store has no such round, or one that is damaged."""
        key = object_keys.manifest(run, number)
        try:
            return cls(objects, Manifest.model_validate_json(objects.read(key, _MOST_MANIFEST_BYTES)))
        except ArtifactMissingError:
            raise InvalidInputError(f"the store has no round {number} of {run} that has ended: {objects.remedy()}") from None
        except ValidationError:
            raise InvalidInputError(f"{objects.place(key)} is no manifest of this version of FedFace") from None

    def global_model(self) -> Tensors:
        """The model version that the round started from, by name of tensor."""
        return self._model(self.manifest.round.model_sha256)

    def anchor(self) -> Tensors | None:
        """The model version that clients held their embeddings to, by name of tensor; None if there was none."""
        sha256 = self.manifest.round.anchor_sha256
        return None if sha256 is None else self._model(sha256)

    def update(self, client: str) -> Tensors:
        """A client's accepted update, by name of tensor. `InvalidInputError` if it was not accepted, or is removed."""
        accepted = self.manifest.accepted.get(client)
        opened = self.manifest.round
        if accepted is None:
            clients = ", ".join(list(self.manifest.accepted)[:3]) or "none"
            raise InvalidInputError(
                f"{client} has no accepted update in round {opened.number}; clients that have: {clients}, …"
            )
        key = object_keys.update(opened.run_id, opened.number, client)
        try:
            return decode_tensors(self._checked(key, accepted.sha256, accepted.size))[0]
        except ArtifactMissingError:
            kept = self.manifest.run.plan.retention.rounds_of_updates
            raise InvalidInputError(
                f"the update of {client} in round {opened.number} is removed: the plan keeps those of the newest {kept}"
            ) from None

    def class_embedding(self, client: str) -> Tensor | None:
        """The row (D,) of W that the client trained with; None if class embeddings stay with their clients."""
        sha256 = self.manifest.round.class_embeddings_sha256
        if sha256 is None:
            return None
        data = self._checked(object_keys.class_embeddings(self.manifest.run.id, sha256), sha256, MAX_MODEL_BYTES)
        return decode_class_embeddings(data, self.manifest.run.plan.model.embedding_size)[client_index(client)]

    def guidance(self) -> Tensors:
        """What all clients of the round could read, by name of tensor."""
        sha256 = self.manifest.round.guidance_sha256
        if sha256 is None:
            return NOTHING
        return decode_tensors(self._checked(object_keys.guidance(self.manifest.run.id, sha256), sha256, MAX_MODEL_BYTES))[0]

    def _model(self, sha256: str) -> Tensors:
        return decode_tensors(self._checked(object_keys.model(sha256), sha256, MAX_MODEL_BYTES))[0]

    def _checked(self, key: str, sha256: str, most: int) -> bytes:
        """The object of this content. `InvalidInputError` if it is another one, `ArtifactMissingError` if there is none."""
        data = self.objects.read(key, most)
        if sha256_hex(data) != sha256:
            raise InvalidInputError(f"{self.objects.place(key)} is not the object that was stored: its SHA-256 is another")
        return data
