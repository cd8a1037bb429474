"""What is made of the updates of a shard, put as one object, merged with those of the other shards, and averaged.

There are two: `EnrolmentPartial` and `TrainingPartial`. Aggregator and simulation take that of the round's kind from
`PARTIALS`, and call either alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import BinaryIO, Protocol, Self

from fedface_core.domain.plan import Plan
from fedface_core.domain.update import AcceptedUpdate
from fedface_learning.formats.stored_tensors import StoredTensors
from fedface_learning.strategies import ServerRound, Tensors, strategy_of
from fedface_learning.updates.encoding import update_encoding_of
from fedface_learning.updates.form import UpdateForm, further_reference


@dataclass(frozen=True)
class StartingPoint:
    """What some clients of a round started from: the model version of this round, or of the one since which they train."""

    plan: Plan
    model_sha256: str
    open_model: Callable[[], StoredTensors]
    """Opens that model version, for the kind of round whose updates are compared with it."""
    rounds_behind: int = 0
    """How many rounds ago that round was opened; above 0 in asynchronous runs only."""

    @cached_property
    def trained_form(self) -> UpdateForm:
        """The form of an update that was trained from here, by the plan's encoding and strategy. Opens the model once."""
        further = further_reference(strategy_of(self.plan).upload_shapes(self.plan))
        return UpdateForm(self.open_model(), further, update_encoding_of(self.plan))


@dataclass(frozen=True)
class Averaged:
    """What the updates of a round came to, before the strategy finishes the round."""

    at_hand: ServerRound
    """The round as the strategy is to find it: with the next model in its network."""
    images: int
    """Σ n_c over the folded updates."""
    moments: Tensors = field(default_factory=dict)
    """The server optimiser's, for the next round."""
    update_norm: float | None = None
    """‖f_new − f_old‖₂."""
    loss_before: float | None = None
    loss_after: float | None = None
    """Means over the folded updates, weighted by their images."""


class Partial(Protocol):
    """The updates of one shard, or of several that were merged, as one kind of round keeps them.

    A partial is made from the stored updates of its shard, in client order, every time. Never is a message added to it, so a
    redelivered task, or a second aggregator at work on the same shard, writes the same bytes again.
    """

    refused: dict[str, str]
    """Client → reason."""
    size: int
    """Bytes of the folded updates, as they were uploaded."""

    @property
    def folded(self) -> int:
        """How many updates are in it."""

    @classmethod
    def read(cls, file: BinaryIO) -> Self:
        """A stored partial; it may read on in ``file`` when it is merged. `DamagedObjectError` if it is damaged."""

    def encoded_parts(self) -> list[bytes | memoryview]:
        """The partial as an object, in parts. Equal updates in equal order give equal bytes."""

    def size_limit(self, start: StartingPoint) -> int:
        """The most bytes that an update from ``start`` can need. A larger one is refused before it is downloaded."""

    def admits(self, client: str, accepted: AcceptedUpdate, start: StartingPoint) -> bool:
        """Whether the update is worth reading, by what the ledger knows of it. If not, its refusal is noted."""

    def fold(self, client: str, accepted: AcceptedUpdate, blocks: Iterable[memoryview], start: StartingPoint) -> None:
        """Take one client's update in. A refusal, by its ``blocks`` or by the checks, is noted, and nothing is taken.

        ``blocks`` are the update's object, as `fedface_learning.updates.form.Blocks`, and are taken one by one.
        """

    def merge(self, other: Self) -> None:
        """Take another shard's updates in."""

    def averaged(self, before: ServerRound) -> Averaged:
        """What all updates of the round come to; one at least is folded. The partial is used up.

        ``before`` is the round before anything of it came in. Its network, the model that the round started from, is changed
        in place.
        """
