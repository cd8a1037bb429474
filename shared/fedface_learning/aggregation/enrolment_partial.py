"""Enrolment on the aggregator: the mean embeddings of a shard's clients, and the class embeddings that are made of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from statistics import median_low
from typing import BinaryIO, Final

import torch
from torch import Tensor

from fedface_core.domain.declaration import check_declaration
from fedface_core.domain.errors import DamagedObjectError, UpdateRefusedError
from fedface_core.domain.ids import client_index
from fedface_core.domain.round_kind import RoundKind
from fedface_core.domain.update import AcceptedUpdate
from fedface_learning.aggregation.partial import AveragedRound, StartingPoint
from fedface_learning.aggregation.partial_sums import add_sums, read_sums
from fedface_learning.client.enrolment import enrol, random_class_embeddings
from fedface_learning.formats.codec import encoded_parts
from fedface_learning.formats.stored_tensors import StoredTensors
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.models.trial import trial_features
from fedface_learning.objectives.class_sums import ClassSums
from fedface_learning.strategies import ServerRound
from fedface_learning.updates.checks import check_mean_embedding, enrolment_reference
from fedface_learning.updates.class_parts import part_at_enrolment
from fedface_learning.updates.form import size_limit
from fedface_learning.updates.norm import check_mean_norm

_LONGEST_MEAN: Final = 1 + 1e-3
"""A mean of unit vectors is no longer than they are, but for rounding."""
_LONGEST_RAW_MEAN: Final = 1e18
"""Raw features of any use are far shorter. The square of this length is finite in float32."""
_UNNAMED: Final = ("unnamed_clients", "unnamed_images")
_TIMES_MEDIAN: Final = 10
_TIMES_TRIAL: Final = 100


@dataclass
class EnrolmentPartial:
    """The `Partial` of enrolment: the mean embeddings of a shard, by client."""

    mean_embeddings: dict[str, Tensor] = field(default_factory=dict)
    """Client → its mean embedding (D,), float32."""
    images: dict[str, int] = field(default_factory=dict)
    """Client → the number of its images."""
    refused: dict[str, str] = field(default_factory=dict)
    """Client → the reason why its update was refused."""
    details: dict[str, str] = field(default_factory=dict)
    """Client → what was wrong with its refused update. This is not stored."""
    clipped: dict[str, float] = field(default_factory=dict)
    """No client: enrolments are not clipped."""
    norms: dict[str, float] = field(default_factory=dict)
    """No client, as with ``clipped``."""
    size: int = 0
    """Bytes of the updates that `fold` did not refuse, as they were uploaded."""
    sums: ClassSums | None = None
    """The class sums over the shard, in the place of ``mean_embeddings`` if class embeddings stay with their clients."""

    unnamed_clients: int = 0
    """How many clients are in ``sums`` beside those in ``images``: updates that were masked are summed without names."""
    unnamed_images: int = 0
    """The number of images of those clients."""

    @property
    def folded(self) -> int:
        """The number of clients that are enrolled."""
        return len(self.images) + self.unnamed_clients

    @property
    def enrolled_images(self) -> int:
        """The number of images of all clients that are enrolled."""
        return sum(self.images.values()) + self.unnamed_images

    @classmethod
    def read(cls, file: BinaryIO) -> EnrolmentPartial:
        """Read a stored partial. `DamagedObjectError` if it is damaged."""
        stored = StoredTensors(file)
        try:
            means = {client: stored.tensor(client) for client in sorted(stored.places) if "/" not in client}
            counts = {name: stored.metadata[name] for name in ("images", "refused", "size")}
            counts |= {name: stored.metadata[name] for name in _UNNAMED if name in stored.metadata}
            return cls(means, **counts, sums=read_sums(stored))
        except KeyError as error:
            raise DamagedObjectError(f"not the metadata of a partial: {error!r}") from error

    def encoded_parts(self) -> list[bytes | memoryview]:
        """Encode the partial as an object, in parts."""
        sums = {} if self.sums is None else self.sums.tensors()
        counts = {"images": self.images, "refused": self.refused, "size": self.size}
        unnamed = {name: getattr(self, name) for name in _UNNAMED} if self.unnamed_clients else {}
        return encoded_parts({**self.mean_embeddings, **sums}, counts | unnamed)

    def size_limit(self, start: StartingPoint) -> int:
        """The largest size in bytes of an update with a mean embedding (D,) of the plan's network."""
        return size_limit(enrolment_reference(start.plan.model.embedding_size))

    def admits(self, client: str, accepted: AcceptedUpdate, start: StartingPoint) -> bool:
        """Whether the number of images is in bounds. If not, keep the reason of the refusal.

        Nobody has trained yet, so there is no wrong model that an enrolment could have started from.
        """
        try:
            check_declaration(accepted, start.plan, RoundKind.ENROLMENT)
        except UpdateRefusedError as error:
            self._refuse(client, error)
            return False
        return True

    def fold(self, client: str, accepted: AcceptedUpdate, blocks: Iterable[memoryview], start: StartingPoint) -> None:
        """Check one client's enrolment update and keep its mean embedding, or add its class embedding to the class sums.

        If reading ``blocks`` or a check refuses the update, only the reason is kept. With centring, the mean is of raw
        features, which may be of any length; `average` compares it with the others.
        """
        model = start.plan.model
        max_norm = _LONGEST_RAW_MEAN if model.centring else _LONGEST_MEAN
        try:
            check_declaration(accepted, start.plan, RoundKind.ENROLMENT)
            mean_D = check_mean_embedding(blocks, accepted, model.embedding_size, max_norm)
            part = part_at_enrolment(mean_D, accepted) if start.plan.only_sums else None
        except UpdateRefusedError as error:
            self._refuse(client, error)
        else:
            if part is None:
                self.mean_embeddings[client] = mean_D
            self.sums = add_sums(self.sums, part)
            self.images[client] = accepted.declared_images
            self.size += accepted.size

    def refuse_all(self, clients: Iterable[str], error: UpdateRefusedError) -> None:
        """Keep the reason why the updates of all these clients are refused."""
        for client in clients:
            self._refuse(client, error)

    def merge(self, other: EnrolmentPartial) -> None:
        """Add another shard's enrolments."""
        self.mean_embeddings |= other.mean_embeddings
        self.images |= other.images
        self.refused |= other.refused
        self.size += other.size
        self.sums = add_sums(self.sums, other.sums)
        self.unnamed_clients += other.unnamed_clients
        self.unnamed_images += other.unnamed_images

    def average(self, before: ServerRound) -> AveragedRound:
        """Make the class embeddings (C, D) of all clients, from their mean embeddings or at random, as the plan says.

        If class embeddings stay with their clients, there is nothing to make.

        With centring, the centre is written into the network of ``before``, and a client whose mean is far longer than the
        others' is refused first: it would be the centre. The partial is empty afterwards.
        """
        plan = before.plan
        if plan.only_sums:
            return AveragedRound(replace(before, sums=self.sums), images=self.enrolled_images)
        if plan.model.centring:
            self._refuse_long_means(before.network)
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
        if plan.model.centring:  # else the network keeps what its weights brought, which is a part of each mean embedding
            before.network.centre.copy_(enrolment.centre_D)
        return AveragedRound(replace(before, class_embeddings_CD=class_embeddings_CD), images=int(images_C.sum()))

    def _refuse_long_means(self, network: EmbeddingNetwork) -> None:
        """Refuse each client whose mean of raw features is longer than any photograph can explain.

        That is longer than both 10 times the median of the clients' means and 100 times the features that ``network`` gives
        for images of noise. So one client's mean cannot make those of others too long, however few they are.
        """
        norms = {client: float(torch.linalg.vector_norm(mean_D.double())) for client, mean_D in self.mean_embeddings.items()}
        trial = float(torch.linalg.vector_norm(trial_features(network).double(), dim=1).max())
        longest = max(_TIMES_MEDIAN * median_low(norms.values()), _TIMES_TRIAL * trial)
        for client, norm in norms.items():
            try:
                check_mean_norm(norm, longest)
            except UpdateRefusedError as error:
                self._refuse(client, error)
                del self.mean_embeddings[client]
                del self.images[client]

    def _refuse(self, client: str, error: UpdateRefusedError) -> None:
        self.refused[client] = error.reason
        self.details[client] = error.detail
