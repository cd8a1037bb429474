"""Enrolment on the aggregator: the mean embeddings of a shard's clients, and the class embeddings that are made of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import BinaryIO

import torch
from torch import Tensor

from fedface_core.domain.errors import DamagedObjectError, UpdateRefusedError
from fedface_core.domain.ids import client_index
from fedface_core.domain.update import AcceptedUpdate
from fedface_learning.aggregation.partial import AveragedRound, StartingPoint
from fedface_learning.client.enrolment import enrol, random_class_embeddings
from fedface_learning.formats.codec import encoded_parts
from fedface_learning.formats.stored_tensors import StoredTensors
from fedface_learning.strategies import ServerRound
from fedface_learning.updates.checks import check_mean_embedding, enrolment_reference
from fedface_learning.updates.form import size_limit


@dataclass
class EnrolmentPartial:
    """The `Partial` of enrolment: the mean embeddings of a shard, in client order."""

    mean_embeddings: dict[str, Tensor] = field(default_factory=dict)
    """Client → its mean embedding (D,), float32."""
    images: dict[str, int] = field(default_factory=dict)
    """Client → the number of its images."""
    refused: dict[str, str] = field(default_factory=dict)
    """Client → the reason why its update was refused."""
    size: int = 0
    """Bytes of the folded updates, as they were uploaded."""

    @property
    def folded(self) -> int:
        """The number of clients that are enrolled."""
        return len(self.images)

    @classmethod
    def read(cls, file: BinaryIO) -> EnrolmentPartial:
        """Read a stored partial. `DamagedObjectError` if it is damaged."""
        stored = StoredTensors(file)
        try:
            means = {client: stored.tensor(client) for client in sorted(stored.places)}
            return cls(means, *(stored.metadata[name] for name in ("images", "refused", "size")))
        except KeyError as error:
            raise DamagedObjectError(f"not the metadata of a partial: {error!r}") from error

    def encoded_parts(self) -> list[bytes | memoryview]:
        """Encode the partial as an object, in parts."""
        return encoded_parts(self.mean_embeddings, {"images": self.images, "refused": self.refused, "size": self.size})

    def size_limit(self, start: StartingPoint) -> int:
        """The largest size in bytes of an update with a mean embedding (D,) of the plan's network."""
        return size_limit(enrolment_reference(start.plan.model.embedding_size))

    def admits(self, _client: str, _accepted: AcceptedUpdate, _start: StartingPoint) -> bool:
        """Always True: nobody has trained yet, so there is no wrong model that an enrolment could have started from."""
        return True

    def fold(self, client: str, accepted: AcceptedUpdate, blocks: Iterable[memoryview], start: StartingPoint) -> None:
        """Check one client's enrolment update and keep its mean embedding.

        If reading ``blocks`` or a check refuses the update, only the reason is kept.
        """
        try:
            self.mean_embeddings[client] = check_mean_embedding(blocks, accepted, start.plan.model.embedding_size)
        except UpdateRefusedError as error:
            self.refused[client] = error.reason
        else:
            self.images[client] = accepted.images
            self.size += accepted.size

    def merge(self, other: EnrolmentPartial) -> None:
        """Add another shard's enrolments."""
        self.mean_embeddings |= other.mean_embeddings
        self.images |= other.images
        self.refused |= other.refused
        self.size += other.size

    def average(self, before: ServerRound) -> AveragedRound:
        """Make the class embeddings (C, D) of all clients, from their mean embeddings or at random, as the plan says.

        The centre is written into the network of ``before``. The partial is empty afterwards.
        """
        plan = before.plan
        means_CD = torch.zeros(plan.split.clients, plan.model.embedding_size)
        images_C = torch.zeros(plan.split.clients, dtype=torch.int64)
        for client, mean_D in self.mean_embeddings.items():
            means_CD[client_index(client)] = mean_D
            images_C[client_index(client)] = self.images[client]
        self.mean_embeddings.clear()  # to free their memory before more is allocated
        enrolment = enrol(means_CD, images_C, centring=plan.model.centring)
        class_embeddings_CD = enrolment.class_embeddings_CD
        if plan.initialisation == "random":
            drawn_CD = random_class_embeddings(plan.split.clients, plan.model.embedding_size, plan.seed)
            class_embeddings_CD = drawn_CD * (images_C > 0).unsqueeze(1)
        before.network.centre.copy_(enrolment.centre_D)
        return AveragedRound(replace(before, class_embeddings_CD=class_embeddings_CD), images=int(images_C.sum()))
