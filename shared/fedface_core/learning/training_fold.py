"""A training round on the aggregator: updates folded by shard, then reduced to the next model version.

A partial is made from the stored updates of its shard, in client order, every time. Never is a message added to a sum,
so a redelivered task, or a second aggregator at work on the same shard, writes the same bytes again.

Synchronously the models are summed. Asynchronously (FedBuff, Nguyen et al., AISTATS 2022) it is what each client changed of
the model it started from, which may be an older one, times the weight of its staleness.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import isfinite

import torch
from torch import Tensor

from fedface_core.domain.errors import TooFewUpdatesError, UpdateRefusedError
from fedface_core.domain.update import AcceptedUpdate, RefusalReason
from fedface_core.learning.averaging import WeightedSum, changes
from fedface_core.learning.codec import decode_tensors, encode_tensors
from fedface_core.learning.reduced_round import ReducedRound, reduced_round
from fedface_core.learning.server_optimiser import towards
from fedface_core.learning.server_state import OPTIMISER, STRATEGY, joined, part
from fedface_core.learning.strategies import NOTHING, ServerRound, strategy_of
from fedface_core.learning.update_checks import check_update, update_norm
from fedface_core.learning.update_encoding import WHOLE_MODEL, UpdateEncoding
from fedface_core.learning.weights import encode_network, load_tensors, network_tensors


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

    def encode(self) -> bytes:
        """The partial as an object."""
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
        return encode_tensors(
            self.models.tensors() | further, counts | {"loss_before": self.loss_before, "loss_after": self.loss_after}
        )

    @classmethod
    def decode(cls, data: bytes) -> TrainingPartial:
        """The inverse of `encode`."""
        tensors, counts = decode_tensors(data)
        uploaded: dict[str, dict[str, Tensor]] = {}
        for key in [key for key in tensors if "/" in key]:
            client, name = key.split("/", 1)
            uploaded.setdefault(client, {})[name] = tensors.pop(key)
        models = WeightedSum.from_tensors(tensors, counts.pop("weight"))
        return cls(models, **counts, uploaded=uploaded)

    def fold(
        self,
        client: str,
        accepted: AcceptedUpdate,
        fetch: Callable[[str], bytes],
        reference: Mapping[str, Tensor],
        max_norm: float,
        staleness_weight: float | None = None,
        further: Mapping[str, Tensor] = NOTHING,
        encoding: UpdateEncoding = WHOLE_MODEL,
    ) -> None:
        """Add one client's update. A refusal, by ``fetch`` or by the checks, is noted and nothing is added.

        ``reference`` is the model that the client started from. With a ``staleness_weight`` its change is added. ``further``
        is what the tensors beside the model must look like, and ``encoding`` says what those of the model do.
        """
        try:
            before, after = _loss(accepted.loss_before), _loss(accepted.loss_after)
            tensors = check_update(fetch(client), accepted, reference, max_norm, further, encoding)
        except UpdateRefusedError as error:
            self.refused[client] = error.reason
            return
        uploaded = {name: tensors.pop(name) for name in further}
        if staleness_weight is None:
            self.models.add(tensors, accepted.images)
        else:
            self.models.add(changes(tensors, reference), accepted.images * staleness_weight)
        if uploaded:
            self.uploaded[client] = uploaded
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
    old = {name: tensor.clone() for name, tensor in network_tensors(network).items()}
    strategy, moments = strategy_of(plan), part(before.state, OPTIMISER)
    before = replace(before, uploaded=total.uploaded, state=part(before.state, STRATEGY))
    if images_of_ours := strategy.take_part(before):
        total.models.add(network_tensors(network), images_of_ours)
    average = _moved(total, old) if plan.aggregation.waits_for_nobody else total.models.average(old)
    parameters = [name for name, _ in network.named_parameters()]
    _, share = plan.rate_shares(before.number)
    new, moments = towards(average, old, parameters, plan.aggregation.optimiser, moments, share)
    load_tensors(network, new, "the average")
    result = strategy.finish(before)
    images = total.images
    return reduced_round(
        encode_network(network),
        replace(result, state=joined(moments, result.state)),
        folded=total.folded,
        images=images,
        uploaded_bytes=total.size,
        refused=total.refused,
        update_norm=update_norm(network_tensors(network), old),
        loss_before=total.loss_before / images,
        loss_after=total.loss_after / images,
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


def _loss(value: float | None) -> float:
    if value is None or not isfinite(value):
        raise UpdateRefusedError(RefusalReason.MALFORMED, f"a training update needs finite losses, not {value}")
    return value
