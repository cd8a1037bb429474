"""Enrolment on the aggregator: the mean embeddings of a shard's clients, from which their class embeddings come."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import BinaryIO

import torch
from torch import Tensor

from fedface_core.domain.errors import DamagedObjectError, UpdateRefusedError
from fedface_core.domain.ids import client_index
from fedface_core.domain.update import AcceptedUpdate
from fedface_learning.aggregation.partial import Averaged, StartingPoint
from fedface_learning.client.enrolment import enrol, random_class_embeddings
from fedface_learning.formats.codec import encoded_parts
from fedface_learning.formats.stored_tensors import StoredTensors
from fedface_learning.strategies import ServerRound
from fedface_learning.updates.checks import check_mean_embedding, enrolment_reference
from fedface_learning.updates.form import size_limit


@dataclass
class EnrolmentPartial:
    """The mean embeddings of a shard, in client order. See `Partial`."""

    mean_embeddings: dict[str, Tensor] = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    size: int = 0

    @property
    def folded(self) -> int:
        """How many clients are enrolled."""
        return len(self.images)

    @classmethod
    def read(cls, file: BinaryIO) -> EnrolmentPartial:
        """A stored partial. `DamagedObjectError` if it is damaged."""
        stored = StoredTensors(file)
        try:
            means = {client: stored.tensor(client) for client in sorted(stored.places)}
            return cls(means, *(stored.metadata[name] for name in ("images", "refused", "size")))
        except KeyError as error:
            raise DamagedObjectError(f"not the metadata of a partial: {error!r}") from error

    def encoded_parts(self) -> list[bytes | memoryview]:
        """The partial as an object, in parts."""
        return encoded_parts(self.mean_embeddings, {"images": self.images, "refused": self.refused, "size": self.size})

    def size_limit(self, start: StartingPoint) -> int:
        """The most bytes that a mean embedding (D,) of the plan's network can need as an update."""
        return size_limit(enrolment_reference(start.plan.model.embedding_size))

    def admits(self, _client: str, _accepted: AcceptedUpdate, _start: StartingPoint) -> bool:
        """Always: nobody has trained anything yet, so there is no model that an enrolment could have started from."""
        return True

    def fold(self, client: str, accepted: AcceptedUpdate, blocks: Iterable[memoryview], start: StartingPoint) -> None:
        """Take one client's enrolment in. A refusal, by its ``blocks`` or by the checks, is noted and nothing is taken."""
        try:
            self.mean_embeddings[client] = check_mean_embedding(blocks, accepted, start.plan.model.embedding_size)
        except UpdateRefusedError as error:
            self.refused[client] = error.reason
        else:
            self.images[client] = accepted.images
            self.size += accepted.size

    def merge(self, other: EnrolmentPartial) -> None:
        """Take another shard's enrolments in."""
        self.mean_embeddings |= other.mean_embeddings
        self.images |= other.images
        self.refused |= other.refused
        self.size += other.size

    def averaged(self, before: ServerRound) -> Averaged:
        """Class embeddings (C, D) from all means, or drawn at random as the plan says; the centre, put into the network."""
        plan = before.plan
        means_CD = torch.zeros(plan.split.clients, plan.model.embedding_size)
        images_C = torch.zeros(plan.split.clients, dtype=torch.int64)
        for client, mean_D in self.mean_embeddings.items():
            means_CD[client_index(client)] = mean_D
            images_C[client_index(client)] = self.images[client]
        self.mean_embeddings.clear()  # so that they take no memory beside what follows
        enrolment = enrol(means_CD, images_C, centring=plan.model.centring)
        class_embeddings_CD = enrolment.class_embeddings_CD
        if plan.initialisation == "random":
            drawn_CD = random_class_embeddings(plan.split.clients, plan.model.embedding_size, plan.seed)
            class_embeddings_CD = drawn_CD * (images_C > 0).unsqueeze(1)
        before.network.centre.copy_(enrolment.centre_D)
        return Averaged(replace(before, class_embeddings_CD=class_embeddings_CD), images=int(images_C.sum()))
