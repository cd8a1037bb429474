"""A training round on the aggregator: updates folded by shard, then reduced to the next model version.

A partial is made from the stored updates of its shard, in client order, every time. Never is a message added to a sum,
so a redelivered task, or a second aggregator at work on the same shard, writes the same bytes again.

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

from fedface_core.domain.errors import InvalidInputError, TooFewUpdatesError, UpdateRefusedError
from fedface_core.domain.update import AcceptedUpdate, RefusalReason
from fedface_learning.aggregation.averaging import StoredSum, WeightedSum
from fedface_learning.aggregation.reduced_round import ReducedRound, reduced_round
from fedface_learning.aggregation.server_optimiser import towards
from fedface_learning.aggregation.server_state import OPTIMISER, STRATEGY, joined, part
from fedface_learning.formats.codec import encoded_parts
from fedface_learning.formats.stored_tensors import StoredTensors
from fedface_learning.models.weights import encode_network, load_tensors, network_tensors
from fedface_learning.strategies import ServerRound, strategy_of
from fedface_learning.updates.checks import check_update
from fedface_learning.updates.distance import update_norm
from fedface_learning.updates.form import PlacedValues, UpdateForm


@dataclass
class TrainingPartial:
    """The sum over a shard, of models or of changes. Losses are summed with the weight of their images."""

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
        """A stored partial. Its sum is read from ``file`` when it is merged. `InvalidInputError` where it is damaged."""
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
            raise InvalidInputError(f"not the metadata of a partial: {error!r}") from error

    def fold(
        self,
        client: str,
        accepted: AcceptedUpdate,
        blocks: Iterable[memoryview],
        form: UpdateForm,
        max_norm: float,
        staleness_weight: float | None = None,
    ) -> None:
        """Add one client's update. A refusal, by its ``blocks`` or by the checks, is noted and nothing is added.

        ``form`` is what the model that the client started from asks of it. With a ``staleness_weight`` its change is added.
        """
        try:
            before, after = _loss(accepted.loss_before), _loss(accepted.loss_after)
            update = check_update(blocks, accepted, form, max_norm)
        except UpdateRefusedError as error:
            self.refused[client] = error.reason
            return
        if staleness_weight is None:
            values = ((span.in_sum, values_P) for span, values_P in update.values)
            self.models.add_parts(form.model, values, update.counters, accepted.images)
        else:
            changes = _changes(update.values, form)
            self.models.add_parts(form.model, changes, update.counters, accepted.images * staleness_weight)
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


def reduce_training(partials: Iterable[TrainingPartial], before: ServerRound) -> ReducedRound:
    """Merge the shards in order, average, and let the strategy finish.

    ``before`` is the round before anything of it came in: its network is the global model that it started from, and becomes
    the next one.
    """
    total, plan, network = TrainingPartial(), before.plan, before.network
    for partial in partials:
        total.merge(partial)
    if not total.folded:
        raise TooFewUpdatesError(0, plan.cohort.minimum, total.refused)
    old = network_tensors(network)
    strategy, moments = strategy_of(plan), part(before.state, OPTIMISER)
    before = replace(before, uploaded=total.uploaded, state=part(before.state, STRATEGY))
    if strategy.take_part:
        old = {name: tensor.clone() for name, tensor in old.items()}
        if images_of_ours := strategy.take_part(before):
            total.models.add(network_tensors(network), images_of_ours)
    average = _moved(total, old) if plan.aggregation.waits_for_nobody else total.models.average(old)
    parameters = [name for name, _ in network.named_parameters()]
    _, share = plan.rate_shares(before.number)
    new, moments = towards(average, old, parameters, plan.aggregation.optimiser, moments, share)
    total.models = WeightedSum()  # so that it takes no memory beside what follows
    moved = update_norm(new, old)
    load_tensors(network, new, "the average")
    del average, old, new
    result = strategy.finish(before)
    return reduced_round(
        encode_network(network),
        replace(result, state=joined(moments, result.state)),
        folded=total.folded,
        images=total.images,
        uploaded_bytes=total.size,
        refused=total.refused,
        update_norm=moved,
        loss_before=total.loss_before / total.images,
        loss_after=total.loss_after / total.images,
    )


def _moved(total: TrainingPartial, old: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``f + Σ n_c s_c Δ_c / Σ n_c``: a stale update makes a smaller step, and does not give its weight to the others."""
    step = total.models.tensors()
    return {
        name: (tensor.double() + step[name] / total.images).to(tensor.dtype)
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
