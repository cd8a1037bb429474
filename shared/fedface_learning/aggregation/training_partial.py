"""A training round on the aggregator: the weighted sum of a shard's changes, and the average of all shards.

What is summed are the clients' changes, each from the model that its client started from, exactly (ADR 40). In an
asynchronous run (FedBuff, Nguyen et al., AISTATS 2022; ADR 8) a change is also weighted by its staleness.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO, Final

from torch import Tensor

from fedface_core.domain.declaration import check_declaration
from fedface_core.domain.device_kinds import CPU
from fedface_core.domain.errors import DamagedObjectError, UnknownSchemaError, UpdateRefusedError
from fedface_core.domain.plan import Plan
from fedface_core.domain.round_kind import RoundKind
from fedface_core.domain.update import AcceptedUpdate, RefusalReason
from fedface_learning.aggregation.average_in_place import average_in_place
from fedface_learning.aggregation.exact_sum import ExactSum, Moved, StoredSum, is_of_sum
from fedface_learning.aggregation.partial import AveragedRound, StartingPoint
from fedface_learning.aggregation.partial_sums import add_sums, is_of_sums, read_sums
from fedface_learning.aggregation.stacked_changes import StackedChanges
from fedface_learning.device import on_host
from fedface_learning.formats.codec import encoded_parts
from fedface_learning.formats.stored_tensors import StoredTensors
from fedface_learning.objectives.class_sums import ClassSums
from fedface_learning.strategies import NOTHING, ServerRound, Tensors, strategy_of
from fedface_learning.updates.careful_check import CheckedUpdate, check_directions
from fedface_learning.updates.checks import check_in_memory, check_update, refusing_what_fails
from fedface_learning.updates.class_parts import part_of_round
from fedface_learning.updates.form import PlacedValues, UpdateForm
from fedface_learning.updates.norm import clearly_within
from fedface_learning.updates.trained import TrainedModels, TrainedUpdate

SCHEMA_VERSION: Final = 2
"""Of a stored partial. Version 1 had sums of models in float64, and no version in its metadata."""
_SMALL: Final = 2**15
"""On a CPU, changes with at most so many values are summed together: then the time is that of calls, one for each tensor."""
LOSS_BITS: Final = 40
"""Losses are summed in units of 2^-40, as whole numbers of any size, so that their sum has no order either."""


@dataclass
class TrainingPartial:
    """The `Partial` of a training round: sums over a shard, none of which depends on the order of its updates."""

    changes: ExactSum = field(default_factory=ExactSum)
    """Σ n_c · the client's change, in an asynchronous run times the weight of its staleness."""
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
    loss_before: int = 0
    """Σ n_c · the client's loss before training, as `weighted_loss` gives it."""
    loss_after: int = 0
    """Σ n_c · the client's loss after training, as `weighted_loss` gives it."""
    uploaded: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    """Client → the tensors that it uploaded beside the model, by name. They are not summed, so they should be small."""
    sums: ClassSums | None = None
    """What the updates change of the class sums. It replaces ``uploaded`` if class embeddings stay with their clients."""

    def encoded_parts(self) -> list[bytes | memoryview]:
        """Encode the partial as an object, in parts that share the sum's memory."""
        counts = {
            "schema_version": SCHEMA_VERSION,
            "fraction_bits": self.changes.fraction_bits,
            "images": self.images,
            "folded": self.folded,
            "size": self.size,
            "refused": self.refused,
            "loss_before": self.loss_before,
            "loss_after": self.loss_after,
        }
        norms = {name: value for name, value in (("clipped", self.clipped), ("norms", self.norms)) if value}
        further = {
            f"{client}/{name}": tensor for client, tensors in self.uploaded.items() for name, tensor in tensors.items()
        }
        sums = {} if self.sums is None else self.sums.tensors()
        return encoded_parts(self.changes.tensors() | further | sums, counts | norms)

    @classmethod
    def read(cls, file: BinaryIO) -> TrainingPartial:
        """Read a stored partial. `DamagedObjectError` if it is damaged, `UnknownSchemaError` if another version wrote it.

        Its sum is read from ``file`` when the partial is merged into another.
        """
        stored = StoredTensors(file)
        counts = _counts_of_this_version(stored.metadata)
        uploaded: dict[str, dict[str, Tensor]] = {}
        sums = read_sums(stored)
        for key in stored.places:
            client, _, name = key.rpartition("/")
            if not (is_of_sum(key) or is_of_sums(key)):
                uploaded.setdefault(client, {})[name] = stored.tensor(key)
        try:
            changes = StoredSum(stored, counts.pop("fraction_bits"))
            return cls(changes, **counts, uploaded=uploaded, sums=sums)
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
        """Check one client's update, and add its change times its number of images.

        In an asynchronous run that is also times the weight of its staleness. A change that is clipped is added in part. If
        reading ``blocks`` or a check refuses the update, only the reason is kept.
        """
        plan = start.plan
        try:
            check_declaration(accepted, plan, RoundKind.TRAINING)
            update = check_update(blocks, accepted, start.trained_form, start.norm_bounds)
            part = part_of_round(update.further_tensors, accepted, start.kept.get(client)) if plan.only_sums else None
        except UpdateRefusedError as error:
            self._refuse(client, error)
            return
        self._add(client, accepted, update, part, start)
        self.size += accepted.size

    def fold_trained(self, trained: Mapping[str, TrainedUpdate], start: StartingPoint) -> None:
        """Check the updates of clients that trained at once, by client, and add them as `fold` does.

        The process that trained them has them in memory, and there are no objects. The plan must allow that they are
        combined. What was trained on a GPU is summed there. Small models are summed together, too.
        """
        together = self._add_together(trained, start)
        for client, update in trained.items():
            if client in together:
                continue
            try:
                check_declaration(update.accepted, start.plan, RoundKind.TRAINING)
                checked = check_in_memory(update.tensors, start.trained_form, start.norm_bounds)
            except UpdateRefusedError as error:
                self._refuse(client, error)
                continue
            self._add(client, update.accepted, checked, None, start)
            self.size += update.accepted.size

    def _add_together(self, trained: Mapping[str, TrainedUpdate], start: StartingPoint) -> set[str]:
        """Add the updates that are on a GPU, or many and small, and certainly good; return their clients.

        The others, such as those whose norm is near its bound, are left to the checks of single updates.
        """
        models = next(iter(trained.values())).models
        form = start.trained_form
        if models.device.type == CPU and (len(trained) == 1 or form.averaged_values > _SMALL):
            return set()
        assert all(update.models is models for update in trained.values()), "they have trained at once"
        changes = StackedChanges(models.stacked, form.model_by_name)
        norms = changes.norms()
        buffers = TrainedModels({name: models.stacked[name] for name in form.buffer_ranges.names})
        weights: dict[str, float] = {}
        for client, update in trained.items():
            try:
                with refusing_what_fails():
                    check_declaration(update.accepted, start.plan, RoundKind.TRAINING)
                    form.buffer_ranges.check(buffers.of(update.index))
                    further = check_directions(update.further, form)
            except UpdateRefusedError:
                continue
            if clearly_within(norms[update.index], start.norm_bounds.lowest):
                weights[client] = self.count(client, update.accepted, further, start)
                self.size += update.accepted.size
        if weights:
            indices = [trained[client].index for client in weights]
            self.changes.merge(changes.summed(indices, list(weights.values()), start.plan.fraction_bits))
        return set(weights)

    def refuse_all(self, clients: Iterable[str], error: UpdateRefusedError) -> None:
        """Keep the reason why the updates of all these clients are refused."""
        for client in clients:
            self._refuse(client, error)

    def _add(
        self, client: str, accepted: AcceptedUpdate, update: CheckedUpdate, part: ClassSums | None, start: StartingPoint
    ) -> None:
        """Add a checked update. ``part`` is what it changes of the class sums, if the plan has any."""
        form = start.trained_form
        bounds = start.norm_bounds
        share = bounds.share_kept(update.norm)
        weight = share * self.count(client, accepted, update.further_tensors if part is None else NOTHING, start)
        moved = _moved(update.values, form)
        self.changes.add_parts(form.averaged_values, moved, update.counters, weight, start.plan.fraction_bits)
        self.sums = add_sums(self.sums, part)
        if update.norm is not None and share < 1:
            self.clipped[client] = update.norm
        if update.norm is not None and bounds.norms_are_needed:
            self.norms[client] = update.norm

    def count(self, client: str, accepted: AcceptedUpdate, further: Tensors, start: StartingPoint) -> float:
        """Count an update that has passed all checks, but for its change; return the weight of its change."""
        if further:
            self.uploaded[client] = dict(further)
        assert accepted.loss_before is not None, "it was checked"
        assert accepted.loss_after is not None, "it was checked"
        self.images += accepted.declared_images
        self.folded += 1
        self.loss_before += weighted_loss(accepted.declared_images, accepted.loss_before)
        self.loss_after += weighted_loss(accepted.declared_images, accepted.loss_after)
        return accepted.declared_images * start.plan.aggregation.staleness_weight(start.rounds_behind)

    def merge(self, other: TrainingPartial) -> None:
        """Add another shard's sums."""
        self.changes.merge(other.changes)
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

        The optimiser's target is the model plus the clients' mean change. If the strategy lets the aggregator take part, its
        own change is in the mean. The partial is empty afterwards.
        """
        plan = before.plan
        network = before.network
        assert plan.only_sums or len(before.class_embeddings_CD), "a training round starts from class embeddings"
        self._require_no_more_than_invited(plan)
        own_weight = 0
        old = on_host(network.state_dict())  # not made contiguous: that would copy most of a large model
        server_round = replace(before, uploaded=self.uploaded, sums=self.sums)
        if take_part := strategy_of(plan).take_part:
            old = {name: tensor.clone() for name, tensor in old.items()}
            own_weight = take_part(server_round)
        moments, norm = average_in_place(before, old, self.changes, self.images, own_weight)
        self.changes = ExactSum()  # to free the sum's memory, unless moments are in it, before more is allocated
        return AveragedRound(
            server_round,
            images=self.images,
            moments=moments,
            update_norm=norm,
            loss_before=_mean_loss(self.loss_before, self.images),
            loss_after=_mean_loss(self.loss_after, self.images),
        )

    def _require_no_more_than_invited(self, plan: Plan) -> None:
        """`DamagedObjectError` if there are more updates than the plan invites: the sum might have left its 64 bits."""
        if self.folded > plan.most_contributors:
            raise DamagedObjectError(
                f"the partials of a round hold {self.folded} updates, and only {plan.most_contributors} clients are invited"
            )

    def _refuse(self, client: str, error: UpdateRefusedError) -> None:
        self.refused[client] = error.reason
        self.details[client] = error.detail


def weighted_loss(images: int, loss: float) -> int:
    """``images · loss`` in units of 2^-40, with the loss rounded to the nearest one. Sums of whole numbers have no order."""
    return images * round(loss * 2.0**LOSS_BITS)


def _mean_loss(summed: int, images: int) -> float:
    return summed / (images << LOSS_BITS)


def _moved(values: Iterable[PlacedValues], form: UpdateForm) -> Iterator[Moved]:
    """The values (P,) of each span in the client's model and in the one that it started from."""
    return (Moved(span.in_sum, values_P, form.of_model(span)) for span, values_P in values)


def _counts_of_this_version(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """A partial's metadata without its version. `UnknownSchemaError` if it has another version than `SCHEMA_VERSION`."""
    counts = dict(metadata)
    version = counts.pop("schema_version", 1)
    if version != SCHEMA_VERSION:
        raise UnknownSchemaError(
            f"schema version {str(version)[:20]} of a partial is not known here: this FedFace reads version "
            f"{SCHEMA_VERSION}; its shard has to be folded again"
        )
    return counts
