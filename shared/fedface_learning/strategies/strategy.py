"""What a strategy is: what clients minimise and upload, and what the aggregator computes from that.

A strategy is some functions of tensors (ADR 9). The services and the simulation call these functions in equal order, so a
strategy is written once. Each function must give equal bits for equal arguments: it draws random numbers from
`fedface_learning.seeding.generator` only, and keeps nothing between two calls.

`fedface_learning/strategies/__init__.py` says how to add a strategy. C clients, N images, D dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import torch
from torch import Tensor

from fedface_core.domain.ids import client_index
from fedface_core.domain.plan import Plan
from fedface_learning.data import FaceDataset
from fedface_learning.device import HOST
from fedface_learning.formats.stored_tensors import StoredTensors
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.objectives.class_sums import ClassSums
from fedface_learning.objectives.spreadout import SpreadoutStats

Tensors = Mapping[str, Tensor]
"""Tensors by name."""
NOTHING: Tensors = MappingProxyType({})
"""No tensors; nothing can be added."""


@dataclass(frozen=True)
class ClientRound:
    """What a client knows in a training round, beside its images."""

    plan: Plan
    number: int
    """The number of the round; 1 or more, because round 0 is enrolment."""
    network: EmbeddingNetwork
    """The network that the client trains. Its centre is fixed during the training."""
    class_embedding_D: Tensor
    """The client's own class embedding (D,), of unit length: fixed, moved before it trains, or learnt with the network."""
    former_class_embedding_D: Tensor
    """The one (D,) that the client came with: the same, unless it was moved or learnt. The class sums hold it."""
    global_model: Tensors
    """The parameters and buffers that ``network`` started from, by name."""
    guidance: Tensors
    """What the aggregator gives to every client of the round: of public identities, and sums over all clients, or over
    groups of three at least. It must never tell of one other client."""


@dataclass(frozen=True)
class ServerRound:
    """What the aggregator knows at the end of a round."""

    plan: Plan
    number: int
    """The number of the round; round 0 is enrolment."""
    network: EmbeddingNetwork
    """The next model version, which is the average. A strategy may train it further, in place."""
    class_embeddings_CD: Tensor
    """W (C, D) at the start of the round; at enrolment, W as just made. Clients that are not enrolled have zero rows. If
    class embeddings stay with their clients (`Plan.only_sums`), there are no rows."""
    uploaded: Mapping[str, Tensors]
    """Client → the further tensors of its update, of unit length in their last dimension. Only clients in the average."""
    state: Tensors
    """What the strategy kept for itself at the end of the previous round."""
    photographs: Callable[[], FaceDataset]
    """Opens the plan's data set. The aggregator may look at its public identities only."""
    sums: ClassSums | None = None
    """If class embeddings stay with their clients: what the round's updates change of the class sums."""
    moments: StoredTensors | None = None
    """The moments of the server optimiser, which reads them a block at a time, as they are in the server state that the
    previous round ended with (`aggregation.server_state`); None if there is no such state."""
    device: torch.device = HOST
    """Where the aggregator computes. `network` and all tensors here are on the CPU; photographs may be on the device."""


@dataclass(frozen=True)
class ServerResult:
    """What a strategy returns at the end of a round, beside the network that it may have changed in place."""

    class_embeddings_CD: Tensor | None
    """The next W (C, D), float32, rows of unit length; None if class embeddings stay with their clients."""
    stats: SpreadoutStats
    """The statistics of the cosines between the rows of W."""
    state: Tensors = field(default_factory=dict)
    """What only the aggregator may read in the next round. It is stored by content."""
    guidance: Tensors = field(default_factory=dict)
    """What every client of the next round may read, so no class embedding of a client. It is stored by content."""


def with_uploaded_rows(server_round: ServerRound, name: str) -> Tensor:
    """W (C, D) with the rows that clients have uploaded under this name. Other clients keep theirs."""
    class_embeddings_CD = server_round.class_embeddings_CD.clone()
    for client, tensors in server_round.uploaded.items():
        class_embeddings_CD[client_index(client)] = tensors[name]
    return class_embeddings_CD


@dataclass(frozen=True)
class Strategy:
    """A way to learn: functions which client, aggregator and simulation call."""

    loss: Callable[[ClientRound, Tensor], Tensor]
    """``loss(client_round, features_ND)``: the scalar that a client minimises on a batch.

    The features (N, D) are raw: neither centred nor normalised.
    """
    class_embedding_rate: Callable[[Plan], float | None]
    """The learning rate of the clients' class embeddings, which are normalised after each step; None if they are fixed."""
    uploads: Callable[[ClientRound, Tensor], Tensors]
    """``uploads(client_round, features_ND)``: further tensors for a client's update.

    The raw features (N, D) are those of all the client's images by the trained network, or of none unless
    ``needs_trained_features``.
    """
    upload_shapes: Callable[[Plan], Mapping[str, tuple[int, ...]]]
    """Name → shape of each tensor of ``uploads``. They are float32 and of unit length in the last dimension; an update with
    other tensors is refused. If class embeddings stay with their clients, that is
    `objectives.class_sums.BEFORE_AND_AFTER` alone."""
    take_part: Callable[[ServerRound], int] | None
    """Trains the network in place before the average, on what the aggregator itself holds. Returns the number of images,
    which is the weight in the average. With 0 images, or None for this function, the aggregator takes no part."""
    finish: Callable[[ServerRound], ServerResult]
    """Ends a round on the aggregator: makes the next W. It may also train the network further, in place."""
    needs_trained_features: Callable[[Plan], bool] = lambda _plan: True
    """Whether ``uploads``, if there are any, need features by the network that the client has trained."""
    renews_class_embedding: Callable[[Plan], bool] = lambda _plan: False
    """Whether a client moves its class embedding before it trains, towards the mean embedding of its images by the network
    that the round starts from (`mean_embeddings.renewed_class_embedding`)."""
    check_guidance: Callable[[Plan, Tensors], None] = lambda _plan, _guidance: None
    """Raises `DamagedObjectError` if a round's guidance is not what ``finish`` gives. It is called once for all clients and
    steps that a process trains with that guidance, so that ``loss`` takes it as it is: on a GPU, every look at a value would
    wait for all that the GPU has still to do."""
