"""Round 0 on the aggregator: mean embeddings folded by shard, then reduced to class embeddings and a model version."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import BinaryIO

import torch
from torch import Tensor

from fedface_core.domain.errors import InvalidInputError, TooFewUpdatesError, UpdateRefusedError
from fedface_core.domain.ids import client_index
from fedface_core.domain.update import AcceptedUpdate
from fedface_learning.aggregation.reduced_round import ReducedRound, reduced_round
from fedface_learning.aggregation.server_state import joined
from fedface_learning.client.enrolment import enrol, random_class_embeddings
from fedface_learning.formats.codec import encoded_parts
from fedface_learning.formats.stored_tensors import StoredTensors
from fedface_learning.models.weights import encode_network
from fedface_learning.strategies import ServerRound, strategy_of
from fedface_learning.updates.checks import check_mean_embedding


@dataclass
class EnrolmentPartial:
    """The mean embeddings of a shard, in client order; ``size`` is in bytes."""

    mean_embeddings: dict[str, Tensor] = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    size: int = 0

    def encoded_parts(self) -> list[bytes | memoryview]:
        """The partial as an object, in parts."""
        return encoded_parts(self.mean_embeddings, {"images": self.images, "refused": self.refused, "size": self.size})

    @classmethod
    def read(cls, file: BinaryIO) -> EnrolmentPartial:
        """A stored partial. `InvalidInputError` where it is damaged."""
        stored = StoredTensors(file)
        try:
            means = {client: stored.tensor(client) for client in sorted(stored.places)}
            return cls(means, *(stored.metadata[name] for name in ("images", "refused", "size")))
        except KeyError as error:
            raise InvalidInputError(f"not the metadata of a partial: {error!r}") from error

    def fold(self, client: str, accepted: AcceptedUpdate, blocks: Iterable[memoryview], embedding_size: int) -> None:
        """Take one client's enrolment in. A refusal, by its ``blocks`` or by the checks, is noted and nothing is taken."""
        try:
            self.mean_embeddings[client] = check_mean_embedding(blocks, accepted, embedding_size)
        except UpdateRefusedError as error:
            self.refused[client] = error.reason
        else:
            self.images[client] = accepted.images
            self.size += accepted.size


def reduce_enrolment(partials: Iterable[EnrolmentPartial], before: ServerRound) -> ReducedRound:
    """Class embeddings from all shards' means, as the strategy finishes them, and the initial network with its centre.

    ``before`` is the round before anything of it came in: no class embeddings, and the initial network, changed in place.
    """
    plan, network = before.plan, before.network
    means_CD = torch.zeros(plan.split.clients, plan.model.embedding_size)
    images_C = torch.zeros(plan.split.clients, dtype=torch.int64)
    refused: dict[str, str] = {}
    size = 0
    for partial in partials:
        for client, mean_D in partial.mean_embeddings.items():
            means_CD[client_index(client)] = mean_D
            images_C[client_index(client)] = partial.images[client]
        refused |= partial.refused
        size += partial.size
    if not images_C.any():
        raise TooFewUpdatesError(0, plan.cohort.minimum, refused)
    enrolment = enrol(means_CD, images_C, centring=plan.model.centring)
    class_embeddings_CD = enrolment.class_embeddings_CD
    if plan.initialisation == "random":
        drawn_CD = random_class_embeddings(plan.split.clients, plan.model.embedding_size, plan.seed)
        class_embeddings_CD = drawn_CD * (images_C > 0).unsqueeze(1)
    network.centre.copy_(enrolment.centre_D)
    result = strategy_of(plan).finish(replace(before, class_embeddings_CD=class_embeddings_CD))
    return reduced_round(
        encode_network(network),
        replace(result, state=joined({}, result.state)),
        folded=int((images_C > 0).sum()),
        images=int(images_C.sum()),
        uploaded_bytes=size,
        refused=refused,
    )
