"""A training round on the aggregator: the weighted sum of a shard's updates, and the average of all shards.

In a synchronous run the clients' models are summed. In an asynchronous run (FedBuff, Nguyen et al., AISTATS 2022; ADR 8) the
clients' changes are summed, times the weight of their staleness, because a client may have started from an older model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import BinaryIO

import torch
from torch import Tensor

from fedface_core.domain.declaration import check_declaration
from fedface_core.domain.errors import DamagedObjectError, UpdateRefusedError
from fedface_core.domain.round_kind import RoundKind
from fedface_core.domain.update import AcceptedUpdate, RefusalReason
from fedface_learning.aggregation.averaging import StoredSum, WeightedSum
from fedface_learning.aggregation.partial import AveragedRound, StartingPoint
from fedface_learning.aggregation.partial_sums import add_sums, is_of_sums, read_sums
from fedface_learning.aggregation.server_optimiser import take_server_step
from fedface_learning.aggregation.server_state import OPTIMISER, STRATEGY, select_state
from fedface_learning.formats.codec import encoded_parts
from fedface_learning.formats.stored_tensors import StoredTensors
from fedface_learning.models.weights import load_tensors, network_tensors
from fedface_learning.objectives.class_sums import ClassSums
from fedface_learning.strategies import ServerRound, strategy_of
from fedface_learning.updates.buffer_ranges import VARIANCE, last_part
from fedface_learning.updates.checks import check_update
from fedface_learning.updates.class_parts import part_of_round
from fedface_learning.updates.form import PlacedValues, UpdateForm
from fedface_learning.updates.norm import update_norm


@dataclass
class TrainingPartial:
    """The `Partial` of a training round: sums over a shard, of models or of changes."""

    models: WeightedSum = field(default_factory=WeightedSum)
    """The sum of models; in an asynchronous run, of changes."""
    images: int = 0
    """The number of images of all folded updates."""
    folded: int = 0
    """The number of folded updates."""
    size: int = 0
    """Bytes of the folded updates, as they were uploaded."""
    refused: dict[str, str] = field(default_factory=dict)
    """Client → the reason why its update was refused."""
    details: dict[str, str] = field(default_factory=dict)
    """Client → what was wrong with its refused update. This is not stored."""
    clipped: dict[str, float] = field(default_factory=dict)
    """Client → the norm of its update, for updates that were clipped."""
    norms: dict[str, float] = field(default_factory=dict)
    """Client → the norm of its folded update, if the plan clips by the median of the norms."""
    loss_before: float = 0.0
    """Σ n_c · the client's loss before training."""
    loss_after: float = 0.0
    """Σ n_c · the client's loss after training."""
    uploaded: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    """Client → the tensors that it uploaded beside the model, by name. They are not summed, so they should be small."""
    sums: ClassSums | None = None
    """What the updates change of the class sums. It replaces ``uploaded`` if class embeddings stay with their clients."""

    def encoded_parts(self) -> list[bytes | memoryview]:
        """Encode the partial as an object, in parts that share the sum's memory."""
        counts = {
            "weight": self.models.weight,
            "images": self.images,
            "folded": self.folded,
            "size": self.size,
            "refused": self.refused,
        }
        norms = {name: value for name, value in (("clipped", self.clipped), ("norms", self.norms)) if value}
        further = {
            f"{client}/{name}": tensor for client, tensors in self.uploaded.items() for name, tensor in tensors.items()
        }
        sums = {} if self.sums is None else self.sums.tensors()
        return encoded_parts(
            self.models.tensors() | further | sums,
            counts | norms | {"loss_before": self.loss_before, "loss_after": self.loss_after},
        )

    @classmethod
    def read(cls, file: BinaryIO) -> TrainingPartial:
        """Read a stored partial. `DamagedObjectError` if it is damaged.

        Its sum is read from ``file`` when the partial is merged into another.
        """
        stored = StoredTensors(file)
        uploaded: dict[str, dict[str, Tensor]] = {}
        sums = read_sums(stored)
        for key in stored.places:
            client, _, name = key.rpartition("/")
            if client and not is_of_sums(key):
                uploaded.setdefault(client, {})[name] = stored.tensor(key)
        counts = dict(stored.metadata)
        try:
            models = StoredSum(stored, (name for name in stored.places if "/" not in name), counts.pop("weight"))
            return cls(models, **counts, uploaded=uploaded, sums=sums)
        except (KeyError, TypeError) as error:
            raise DamagedObjectError(f"not the metadata of a partial: {error!r}") from error

    def size_limit(self, start: StartingPoint) -> int:
        """The largest size in bytes of an update with a trained model, by the plan's encoding and strategy."""
        return start.trained_form.size_limit

    def admits(self, client: str, accepted: AcceptedUpdate, start: StartingPoint) -> bool:
        """Whether the client started from the model version in ``start`` and declares images and losses that are in bounds.

        If not, keep the reason of its refusal.
        """
        if accepted.started_from != start.model_sha256:
            detail = f"it was trained from {accepted.started_from}, not from {start.model_sha256}"
            self._refuse(client, UpdateRefusedError(RefusalReason.WRONG_MODEL, detail))
            return False
        try:
            check_declaration(accepted, start.plan, RoundKind.TRAINING)
        except UpdateRefusedError as error:
            self._refuse(client, error)
            return False
        return True

    def fold(self, client: str, accepted: AcceptedUpdate, blocks: Iterable[memoryview], start: StartingPoint) -> None:
        """Check one client's update, and add its model times its number of images.

        In an asynchronous run its change is added, times its number of images and the weight of its staleness. A change that
        is clipped is added in part. If reading ``blocks`` or a check refuses the update, only the reason is kept.
        """
        form = start.trained_form
        plan = start.plan
        bounds = start.norm_bounds
        try:
            check_declaration(accepted, plan, RoundKind.TRAINING)
            update = check_update(blocks, accepted, form, bounds)
            further = update.further_tensors
            part = part_of_round(further, accepted, start.kept.get(client)) if plan.only_sums else None
        except UpdateRefusedError as error:
            self._refuse(client, error)
            return
        share = bounds.share_kept(update.norm)
        if plan.aggregation.is_asynchronous:
            weight = accepted.images * plan.aggregation.staleness_weight(start.rounds_behind)
            self.models.add_parts(form.model, _changes(update.values, form, share), update.counters, weight)
        else:
            values = _models(update.values, form, share)
            self.models.add_parts(form.model, values, update.counters, accepted.images)
        self.sums = add_sums(self.sums, part)
        if further and part is None:
            self.uploaded[client] = dict(further)
        if update.norm is not None and share < 1:
            self.clipped[client] = update.norm
        if update.norm is not None and bounds.norms_are_needed:
            self.norms[client] = update.norm
        assert accepted.loss_before is not None, "it was checked"
        assert accepted.loss_after is not None, "it was checked"
        self.images += accepted.images
        self.folded += 1
        self.size += accepted.size
        self.loss_before += accepted.images * accepted.loss_before
        self.loss_after += accepted.images * accepted.loss_after

    def merge(self, other: TrainingPartial) -> None:
        """Add another shard's sums."""
        self.models.merge(other.models)
        self.images += other.images
        self.folded += other.folded
        self.size += other.size
        self.refused |= other.refused
        self.clipped |= other.clipped
        self.norms |= other.norms
        self.loss_before += other.loss_before
        self.loss_after += other.loss_after
        self.uploaded |= other.uploaded
        self.sums = add_sums(self.sums, other.sums)

    def average(self, before: ServerRound) -> AveragedRound:
        """Make the next model version in the network of ``before``, by the plan's server optimiser.

        The optimiser's target is the average of the models; in an asynchronous run, the old model plus the mean change. If
        the strategy lets the aggregator take part, its own model is in the average. The partial is empty afterwards.
        """
        plan = before.plan
        network = before.network
        assert plan.only_sums or len(before.class_embeddings_CD), "a training round starts from class embeddings"
        old = network_tensors(network)
        server_round = replace(before, uploaded=self.uploaded, state=select_state(before.state, STRATEGY), sums=self.sums)
        if take_part := strategy_of(plan).take_part:
            old = {name: tensor.clone() for name, tensor in old.items()}
            if aggregator_images := take_part(server_round):
                self.models.add(network_tensors(network), aggregator_images)
        average = self._add_mean_change(old) if plan.aggregation.is_asynchronous else self.models.average(old)
        # Changes from an older model can be larger than what is left of a variance.
        average = {name: tensor.clamp_min(0) if last_part(name) == VARIANCE else tensor for name, tensor in average.items()}
        self.models = WeightedSum()  # to free the sum's memory before more is allocated
        parameters = [name for name, _ in network.named_parameters()]
        client_share, share = plan.rate_shares(before.number)
        client_rate = plan.local_training.learning_rate * client_share
        state = select_state(before.state, OPTIMISER)
        optimiser = plan.aggregation.optimiser
        new, moments = take_server_step(average, old, parameters, optimiser, state, share, client_rate)
        new_norm = update_norm(new, old)
        load_tensors(network, new, "the average")
        return AveragedRound(
            server_round,
            images=self.images,
            moments=moments,
            update_norm=new_norm,
            loss_before=self.loss_before / self.images,
            loss_after=self.loss_after / self.images,
        )

    def _refuse(self, client: str, error: UpdateRefusedError) -> None:
        self.refused[client] = error.reason
        self.details[client] = error.detail

    def _add_mean_change(self, old: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``f + Σ n_c s_c Δ_c / Σ n_c``. Division by Σ n_c, not Σ n_c s_c, makes the step of a stale update smaller."""
        summed = self.models.tensors()
        return {
            name: (tensor.double() + summed[name] / self.images).to(tensor.dtype)
            if tensor.is_floating_point()
            else torch.maximum(tensor, summed[name])
            for name, tensor in old.items()
        }


def _models(values: Iterable[PlacedValues], form: UpdateForm, share: float) -> Iterator[tuple[int, Tensor]]:
    """The position in the flat sum and the client's values (P,) of each span; of a clipped update the values, float64, at
    ``share`` of the way from the global model to them.
    """
    if share == 1:
        return ((span.in_sum, values_P) for span, values_P in values)
    return ((span.in_sum, torch.lerp(form.of_model(span).double(), values_P.double(), share)) for span, values_P in values)


def _changes(values: Iterable[PlacedValues], form: UpdateForm, share: float) -> Iterator[tuple[int, Tensor]]:
    """The position in the flat sum and ``share · (update − model)`` (P,), float64, of each span."""
    return ((span.in_sum, (values_P.double() - form.of_model(span).double()) * share) for span, values_P in values)
