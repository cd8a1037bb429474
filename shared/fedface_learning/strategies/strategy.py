"""What a strategy is: what a client minimises and uploads, and what the aggregator makes of it. C clients, D dimensions.

A strategy is six functions of tensors. Client service, aggregator and simulation call them at the same places, so that a
strategy is written once and runs in both. Each must give the same bits for the same arguments: it draws from
`fedface_learning.seeding.generator` alone, and keeps nothing between calls but what it returns.

How to add one of your own says `__init__.py` beside this file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from torch import Tensor

from fedface_core.domain.plan import Plan
from fedface_learning.data import FaceDataset
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.objectives.spreadout import SpreadoutStats

Tensors = Mapping[str, Tensor]
NOTHING: Tensors = MappingProxyType({})


@dataclass(frozen=True)
class ClientRound:
    """What a client has at hand in a round, beside its images."""

    plan: Plan
    number: int
    network: EmbeddingNetwork
    """In training; its centre is fixed meanwhile."""
    class_embedding_D: Tensor
    """The client's own, of unit length: fixed, or learnt with the network."""
    global_model: Tensors
    """Parameters and buffers that ``network`` started from."""
    guidance: Tensors
    """What the aggregator gives to every client of the round: of the public identities, never of another client."""


@dataclass(frozen=True)
class ServerRound:
    """What the aggregator has at hand at the end of a round; round 0 is enrolment."""

    plan: Plan
    number: int
    network: EmbeddingNetwork
    """The next model version: the average. A strategy may go on training it, in place."""
    class_embeddings_CD: Tensor
    """W as the round began with it, at enrolment from the clients' means or drawn; a zero row for who is not enrolled."""
    uploaded: Mapping[str, Tensors]
    """Client → the further tensors of its update, for the clients in the average. Of unit length in their last dimension."""
    state: Tensors
    """What the strategy kept for itself in the round before."""
    photographs: Callable[[], FaceDataset]
    """Opens the plan's data set. The aggregator may look at its public identities, and at no other."""


@dataclass(frozen=True)
class ServerResult:
    """What a strategy makes of a round, beside the network."""

    class_embeddings_CD: Tensor
    """The next W, float32, of unit length."""
    stats: SpreadoutStats
    state: Tensors = field(default_factory=dict)
    """For the aggregator's next round only; stored by content."""
    guidance: Tensors = field(default_factory=dict)
    """For every client of the next round; stored by content. Whoever trains may read it: no class embedding of a client."""


@dataclass(frozen=True)
class Strategy:
    """One way to learn."""

    loss: Callable[[ClientRound, Tensor], Tensor]
    """``(at_hand, features_ND)``: the scalar to minimise on a batch. Features are raw: neither centred nor normalised."""
    class_embedding_rate: Callable[[Plan], float | None]
    """The rate at which clients learn their class embedding, back on the sphere after each step. None: it is fixed."""
    uploads: Callable[[ClientRound, Tensor], Tensors]
    """``(at_hand, features_ND)`` of all the client's images by the trained network: further tensors for its update."""
    upload_shapes: Callable[[Plan], Mapping[str, tuple[int, ...]]]
    """Name → shape of each of ``uploads``: float32, of unit length in the last dimension. What differs is refused."""
    take_part: Callable[[ServerRound], int] | None
    """Before the average: trains the network, in place, on what the aggregator holds itself, and returns on how many images,
    its weight in the average. 0, or no such function: the aggregator takes no part."""
    finish: Callable[[ServerRound], ServerResult]
    """Ends a round on the aggregator: the next W, and a step of its own on the network where the strategy takes one."""
