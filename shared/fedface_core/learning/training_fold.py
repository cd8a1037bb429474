"""A training round on the aggregator: updates folded by shard, then reduced to the next model version.

A partial is made from the stored updates of its shard, in client order, every time. Never is a message added to a sum,
so a redelivered task, or a second aggregator at work on the same shard, writes the same bytes again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite

from torch import Tensor

from fedface_core.domain.errors import TooFewUpdatesError, UpdateRefusedError
from fedface_core.domain.plan import Plan
from fedface_core.domain.update import AcceptedUpdate, RefusalReason
from fedface_core.learning.averaging import WeightedSum
from fedface_core.learning.codec import decode_tensors, encode_tensors
from fedface_core.learning.models import EmbeddingNetwork
from fedface_core.learning.reduced_round import ReducedRound, reduced_round
from fedface_core.learning.spreadout import spread
from fedface_core.learning.update_checks import check_update, update_norm
from fedface_core.learning.weights import load_tensors, network_tensors


@dataclass
class TrainingPartial:
    """The sum over a shard. Losses are summed with the weight of their images, as the models are."""

    models: WeightedSum = field(default_factory=WeightedSum)
    folded: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    loss_before: float = 0.0
    loss_after: float = 0.0

    def encode(self) -> bytes:
        """The partial as an object."""
        counts = {"weight": self.models.weight, "folded": self.folded, "refused": self.refused}
        return encode_tensors(
            self.models.tensors(), counts | {"loss_before": self.loss_before, "loss_after": self.loss_after}
        )

    @classmethod
    def decode(cls, data: bytes) -> TrainingPartial:
        """The inverse of `encode`."""
        tensors, counts = decode_tensors(data)
        models = WeightedSum.from_tensors(tensors, counts.pop("weight"))
        return cls(models, **counts)

    def fold(
        self,
        client: str,
        accepted: AcceptedUpdate,
        fetch: Callable[[str], bytes],
        reference: Mapping[str, Tensor],
        max_norm: float,
    ) -> None:
        """Add one client's update. A refusal, by ``fetch`` or by the checks, is noted and nothing is added.

        ``reference`` is the model that the cohort started from.
        """
        try:
            before, after = _loss(accepted.loss_before), _loss(accepted.loss_after)
            tensors = check_update(fetch(client), accepted, reference, max_norm)
        except UpdateRefusedError as error:
            self.refused[client] = error.reason
            return
        self.models.add(tensors, accepted.images)
        self.folded += 1
        self.loss_before += accepted.images * before
        self.loss_after += accepted.images * after

    def merge(self, other: TrainingPartial) -> None:
        """Add another shard's sum."""
        self.models.merge(other.models)
        self.folded += other.folded
        self.refused |= other.refused
        self.loss_before += other.loss_before
        self.loss_after += other.loss_after


def reduce_training(
    partials: Iterable[TrainingPartial], network: EmbeddingNetwork, class_embeddings_CD: Tensor, plan: Plan
) -> ReducedRound:
    """Merge the shards in order, average, and spread. ``network`` is the round's global model; it becomes the next one."""
    total = TrainingPartial()
    for partial in partials:
        total.merge(partial)
    if not total.folded:
        raise TooFewUpdatesError(0, plan.cohort.minimum, total.refused)
    old = network_tensors(network)
    new = total.models.average(old)
    moved = update_norm(new, old)
    load_tensors(network, new, "the average")
    images = total.models.weight
    return reduced_round(
        network,
        spread(class_embeddings_CD, plan.spreadout),
        folded=total.folded,
        images=int(images),
        refused=total.refused,
        update_norm=moved,
        loss_before=total.loss_before / images,
        loss_after=total.loss_after / images,
    )


def _loss(value: float | None) -> float:
    if value is None or not isfinite(value):
        raise UpdateRefusedError(RefusalReason.MALFORMED, f"a training update needs finite losses, not {value}")
    return value
