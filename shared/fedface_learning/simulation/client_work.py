"""The work of the clients in a simulated round, by the kind of the round."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from fedface_core.domain.ids import client_index
from fedface_core.domain.plan import Plan
from fedface_core.domain.round_kind import RoundKind
from fedface_learning.client.local_training import Trainee, TrainingRound
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.client.update import TrainingFailure, Update, enrolment_update, trained_groups, training_updates
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.strategies import Tensors
from fedface_learning.updates.trained import TrainedUpdate


@dataclass(frozen=True)
class RoundInputs:
    """What the clients of a simulated round are given, beside their images. C clients, D dimensions."""

    plan: Plan
    number: int
    trainer: LocalTrainer
    """Holds the global model. One client after another trains in its network."""
    model_sha256: str
    """The SHA-256 of the global model."""
    class_embeddings_CD: Tensor
    """W (C, D), of which each client uses only its own row. At enrolment W has no rows."""
    guidance: Tensors
    """The tensors that every client may read."""
    cohort: Sequence[str]
    """All clients of the round, in order."""
    residuals: Tensors
    """Client → what it keeps of its last update that is in the model: its residual (P,), or its class embedding (D,)."""
    anchor: EmbeddingNetwork | None = None
    """As in `TrainingRound`."""


def _enrol(inputs: RoundInputs, images: Mapping[str, Tensor]) -> Iterator[tuple[str, Update]]:
    for client, images_NCHW in images.items():
        yield client, enrolment_update(inputs.trainer.network, images_NCHW, inputs.plan)


def _train(inputs: RoundInputs, images: Mapping[str, Tensor]) -> Iterator[tuple[str, Update | TrainingFailure]]:
    return training_updates(inputs.trainer, trainees_of(inputs, images), training_round_of(inputs))


def train_groups(
    inputs: RoundInputs, images: Mapping[str, Tensor]
) -> Iterator[Mapping[str, TrainedUpdate | TrainingFailure]]:
    """Client → its update, not encoded, or its failure, for each group of clients that train at once in a round."""
    return trained_groups(inputs.trainer, trainees_of(inputs, images), training_round_of(inputs))


def training_round_of(inputs: RoundInputs) -> TrainingRound:
    """What all clients of the training round are given."""
    return TrainingRound(inputs.plan, inputs.number, inputs.guidance, inputs.model_sha256, inputs.anchor)


def trainees_of(inputs: RoundInputs, images: Mapping[str, Tensor]) -> list[Trainee]:
    """The clients of a training round, in order, from client → images (N, C, H, W), uint8."""
    places = {client: bisect_left(inputs.cohort, client) for client in images}
    if inputs.plan.only_sums:
        return [
            Trainee(client, images_NCHW, inputs.residuals[client], place=places[client])
            for client, images_NCHW in images.items()
        ]
    rows_CD = inputs.class_embeddings_CD
    return [
        Trainee(client, images_NCHW, rows_CD[client_index(client)], inputs.residuals.get(client), places[client])
        for client, images_NCHW in images.items()
    ]


ClientWork = Callable[[RoundInputs, Mapping[str, Tensor]], Iterator[tuple[str, Update | TrainingFailure]]]
CLIENT_WORK: dict[RoundKind, ClientWork] = {
    RoundKind.ENROLMENT: _enrol,
    RoundKind.TRAINING: _train,
}
"""Kind of round → the function that makes the clients' updates, in order, from client → images (N, C, H, W), uint8."""
