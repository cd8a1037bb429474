"""A training round on the aggregator: the weighted sum of what a shard's clients trained, and the average of all shards.

Synchronously the models are summed. Asynchronously (FedBuff, Nguyen et al., AISTATS 2022) it is what each client changed of
the model it started from, which may be an older one, times the weight of its staleness.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import BinaryIO

import torch
from torch import Tensor

from fedface_core.domain.errors import DamagedObjectError, UpdateRefusedError
from fedface_core.domain.update import AcceptedUpdate, RefusalReason
from fedface_learning.aggregation.averaging import StoredSum, WeightedSum
from fedface_learning.aggregation.partial import Averaged, StartingPoint
from fedface_learning.aggregation.server_optimiser import towards
from fedface_learning.aggregation.server_state import OPTIMISER, STRATEGY, part
from fedface_learning.formats.codec import encoded_parts
from fedface_learning.formats.stored_tensors import StoredTensors
from fedface_learning.models.weights import load_tensors, network_tensors
from fedface_learning.strategies import ServerRound, strategy_of
from fedface_learning.updates.checks import check_update
from fedface_learning.updates.form import PlacedValues, UpdateForm
from fedface_learning.updates.norm import update_norm


@dataclass
class TrainingPartial:
    """The sum over a shard, of models or of changes. Losses are summed with the weight of their images. See `Partial`."""

    models: WeightedSum = field(default_factory=WeightedSum)
    images: int = 0
    folded: int = 0
    size: int = 0
    """Bytes of the folded updates, as they were uploaded."""
    refused: dict[str, str] = field(default_factory=dict)
    loss_before: float = 0.0
    loss_after: float = 0.0
    uploaded: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    """Client → what its strategy has it upload beside the model: kept, not summed, so it should be small."""

    def encoded_parts(self) -> list[bytes | memoryview]:
        """The partial as an object, in parts: the sum's own memory."""
        counts = {
            "weight": self.models.weight,
            "images": self.images,
            "folded": self.folded,
            "size": self.size,
            "refused": self.refused,
        }
        further = {
            f"{client}/{name}": tensor for client, tensors in self.uploaded.items() for name, tensor in tensors.items()
        }
        return encoded_parts(
            self.models.tensors() | further, counts | {"loss_before": self.loss_before, "loss_after": self.loss_after}
        )

    @classmethod
    def read(cls, file: BinaryIO) -> TrainingPartial:
        """A stored partial. Its sum is read from ``file`` when it is merged. `DamagedObjectError` if it is damaged."""
        stored = StoredTensors(file)
        uploaded: dict[str, dict[str, Tensor]] = {}
        for key in stored.places:
            client, _, name = key.rpartition("/")
            if client:
                uploaded.setdefault(client, {})[name] = stored.tensor(key)
        counts = dict(stored.metadata)
        try:
            models = StoredSum(stored, (name for name in stored.places if "/" not in name), counts.pop("weight"))
            return cls(models, **counts, uploaded=uploaded)
        except (KeyError, TypeError) as error:
            raise DamagedObjectError(f"not the metadata of a partial: {error!r}") from error

    def size_limit(self, start: StartingPoint) -> int:
        """The most bytes that a trained model can need as an update, by the plan's encoding and strategy."""
        return start.trained_form.size_limit

    def admits(self, client: str, accepted: AcceptedUpdate, start: StartingPoint) -> bool:
        """Whether the client trained the model version that it was to start from. If not, that is noted."""
        right = accepted.started_from == start.model_sha256
        if not right:
            self.refused[client] = RefusalReason.WRONG_MODEL
        return right

    def fold(self, client: str, accepted: AcceptedUpdate, blocks: Iterable[memoryview], start: StartingPoint) -> None:
        """Add one client's model with the weight of its images; asynchronously its change, with that of its staleness too.

        A refusal, by its ``blocks`` or by the checks, is noted and nothing is added.
        """
        form, plan = start.trained_form, start.plan
        try:
            before, after = _loss(accepted.loss_before), _loss(accepted.loss_after)
            update = check_update(blocks, accepted, form, plan.cohort.max_update_norm)
        except UpdateRefusedError as error:
            self.refused[client] = error.reason
            return
        if plan.aggregation.is_asynchronous:
            weight = accepted.images * plan.aggregation.staleness_weight(start.rounds_behind)
            self.models.add_parts(form.model, _changes(update.values, form), update.counters, weight)
        else:
            values = ((span.in_sum, values_P) for span, values_P in update.values)
            self.models.add_parts(form.model, values, update.counters, accepted.images)
        if update.further_tensors:
            self.uploaded[client] = dict(update.further_tensors)
        self.images += accepted.images
        self.folded += 1
        self.size += accepted.size
        self.loss_before += accepted.images * before
        self.loss_after += accepted.images * after

    def merge(self, other: TrainingPartial) -> None:
        """Add another shard's sum."""
        self.models.merge(other.models)
        self.images += other.images
        self.folded += other.folded
        self.size += other.size
        self.refused |= other.refused
        self.loss_before += other.loss_before
        self.loss_after += other.loss_after
        self.uploaded |= other.uploaded

    def averaged(self, before: ServerRound) -> Averaged:
        """The next global model: the average of the models, or the old one and the average change, by the plan's optimiser.

        The strategy may take part with what the aggregator holds itself.
        """
        plan, network = before.plan, before.network
        assert len(before.class_embeddings_CD), "a training round starts from class embeddings"
        old = network_tensors(network)
        at_hand = replace(before, uploaded=self.uploaded, state=part(before.state, STRATEGY))
        if take_part := strategy_of(plan).take_part:
            old = {name: tensor.clone() for name, tensor in old.items()}
            if images_of_ours := take_part(at_hand):
                self.models.add(network_tensors(network), images_of_ours)
        average = self._moved(old) if plan.aggregation.is_asynchronous else self.models.average(old)
        self.models = WeightedSum()  # so that it takes no memory beside what follows
        parameters = [name for name, _ in network.named_parameters()]
        _, share = plan.rate_shares(before.number)
        new, moments = towards(average, old, parameters, plan.aggregation.optimiser, part(before.state, OPTIMISER), share)
        moved = update_norm(new, old)
        load_tensors(network, new, "the average")
        return Averaged(
            at_hand,
            images=self.images,
            moments=moments,
            update_norm=moved,
            loss_before=self.loss_before / self.images,
            loss_after=self.loss_after / self.images,
        )

    def _moved(self, old: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``f + Σ n_c s_c Δ_c / Σ n_c``: a stale update makes a smaller step, and does not give its weight to the others."""
        step = self.models.tensors()
        return {
            name: (tensor.double() + step[name] / self.images).to(tensor.dtype)
            if tensor.is_floating_point()
            else torch.maximum(tensor, step[name])
            for name, tensor in old.items()
        }


def _changes(values: Iterable[PlacedValues], form: UpdateForm) -> Iterator[tuple[int, Tensor]]:
    """``update − model`` in float64, span by span."""
    return ((span.in_sum, values_P.double() - form.of_model(span).double()) for span, values_P in values)


def _loss(value: float | None) -> float:
    if value is None or not isfinite(value):
        raise UpdateRefusedError(RefusalReason.MALFORMED, f"a training update needs finite losses, not {value}")
    return value
