"""What a partial is: the updates of a shard, folded into one object, which is merged with those of other shards and
averaged.

There are two classes of partials, `EnrolmentPartial` and `TrainingPartial`. Aggregator and simulation take the class for the
round's kind from `fedface_learning.aggregation.PARTIALS`, and use only what the protocol `Partial` states.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import BinaryIO, Protocol, Self

from fedface_core.domain.errors import UpdateRefusedError
from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.aggregation import MedianClippingPlan, NormClippingPlan
from fedface_core.domain.update import AcceptedUpdate
from fedface_learning.formats.stored_tensors import StoredTensors
from fedface_learning.strategies import ServerRound, Tensors, strategy_of
from fedface_learning.updates.class_parts import check_class_embeddings
from fedface_learning.updates.encoding import update_encoding_of
from fedface_learning.updates.form import UpdateForm, further_reference
from fedface_learning.updates.norm import NormBounds


@dataclass(frozen=True)
class StartingPoint:
    """The model version that some clients of a round started from. In asynchronous runs it may be of an earlier round."""

    plan: Plan
    model_sha256: str
    open_model: Callable[[], StoredTensors]
    """Opens the model version; called only if updates are compared with it."""
    rounds_behind: int = 0
    """How many rounds ago the round of the model version was opened; above 0 in asynchronous runs only."""
    median_bound: float | None = None
    """Where the round's updates are clipped by the median of their norms; None as long as that is not known."""
    kept: Mapping[str, str] = field(default_factory=dict)
    """Client → the SHA-256 of its residual before this update, if class embeddings stay with their clients."""

    @cached_property
    def trained_form(self) -> UpdateForm:
        """The form of an update that was trained from this model version, by the plan's encoding and strategy.

        Opens the model version, once.
        """
        further = further_reference(strategy_of(self.plan).upload_shapes(self.plan))
        return UpdateForm(
            self.open_model(),
            further,
            update_encoding_of(self.plan),
            steps=self.plan.local_training.steps,
            check_further=check_class_embeddings if self.plan.only_sums else None,
        )

    @property
    def norm_bounds(self) -> NormBounds:
        """What the plan does with the norms of updates."""
        clipping = self.plan.aggregation.clipping
        return NormBounds(
            largest=self.plan.cohort.max_update_norm,
            clip_at=clipping.norm if isinstance(clipping, NormClippingPlan) else self.median_bound,
            norms_are_needed=isinstance(clipping, MedianClippingPlan),
        )


@dataclass(frozen=True)
class AveragedRound:
    """A round after the average, before the strategy finishes it."""

    server_round: ServerRound
    """What the strategy is given; its network is the next model version."""
    images: int
    """Σ n_c, the number of images of all folded updates."""
    moments: Tensors = field(default_factory=dict)
    """The server optimiser's moments, by name, for the next round."""
    update_norm: float | None = None
    """‖f_new − f_old‖₂; None at enrolment."""
    loss_before: float | None = None
    """The clients' mean loss before training, weighted by their images; None at enrolment."""
    loss_after: float | None = None
    """The clients' mean loss after training, weighted by their images; None at enrolment."""


class Partial(Protocol):
    """The updates of one shard, or of several merged shards, in the form that one kind of round needs.

    A partial is always made from the stored updates of its shard, and never from messages. Its sums are exact (ADR 40). So a
    task that is delivered again, or a second aggregator that folds the shard in another order, writes equal bytes.
    """

    refused: dict[str, str]
    """Client → the reason why its update was refused."""
    details: dict[str, str]
    """Client → what was wrong with its refused update. This is for the log, and is not stored."""
    clipped: dict[str, float]
    """Client → the norm of its update, for updates that were clipped."""
    norms: dict[str, float]
    """Client → the norm of its folded update, if the plan clips updates by the median of the norms."""

    @property
    def size(self) -> int:
        """Bytes of the folded updates, as they were uploaded."""

    @property
    def folded(self) -> int:
        """The number of updates in the partial."""

    @classmethod
    def read(cls, file: BinaryIO) -> Self:
        """Read a stored partial. `DamagedObjectError` if it is damaged.

        The partial may keep reading from ``file`` until it is merged into another partial.
        """

    def encoded_parts(self) -> list[bytes | memoryview]:
        """Encode the partial as an object, in parts. Equal updates give equal bytes, in whatever order they were added."""

    def size_limit(self, start: StartingPoint) -> int:
        """The largest size in bytes of an update from ``start``. A larger update is refused before it is downloaded."""

    def admits(self, client: str, accepted: AcceptedUpdate, start: StartingPoint) -> bool:
        """Whether the update needs to be read, judged by what the ledger records. If not, keep the reason of its refusal."""

    def fold(self, client: str, accepted: AcceptedUpdate, blocks: Iterable[memoryview], start: StartingPoint) -> None:
        """Check one client's update and add it. If reading ``blocks`` or a check refuses it, only the reason is kept.

        Whatever else goes wrong with the update refuses it too. An error that leaves this method is no fault of the update,
        and the partial must not be used then.

        ``blocks`` are the update's object, as `fedface_learning.updates.form.Blocks` describes; they are read one by one.
        """

    def refuse_all(self, clients: Iterable[str], error: UpdateRefusedError) -> None:
        """Keep the reason why the updates of all these clients are refused."""

    def merge(self, other: Self) -> None:
        """Add another shard's updates."""

    def average(self, before: ServerRound) -> AveragedRound:
        """Average all updates of the round, of which there must be at least one. The partial cannot be used afterwards.

        ``before`` is the round before any update was added. Its network is the model that the round started from, and
        becomes the next model version, in place.
        """
