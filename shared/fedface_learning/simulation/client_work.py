"""What the clients of a simulated round do, by the kind of the round."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor

from fedface_core.domain.ids import client_index
from fedface_core.domain.plan import Plan
from fedface_core.domain.round_kind import RoundKind
from fedface_learning.client.local_training import Trainee, TrainingRound
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.client.update import Update, enrolment_update, training_updates
from fedface_learning.strategies import Tensors


@dataclass(frozen=True)
class AtClients:
    """What the clients of a round have at hand, beside their images. C clients, D dimensions."""

    plan: Plan
    number: int
    trainer: LocalTrainer
    """Its network is the global model, in which one client after another works."""
    model_sha256: str
    """The global model's name."""
    class_embeddings_CD: Tensor
    """Each client looks at its own row only; there are none at enrolment."""
    guidance: Tensors
    residuals: Tensors
    """Client → what its last update that counted had left out, with error feedback."""


def _enrolments(at_clients: AtClients, images: Mapping[str, Tensor]) -> Iterator[tuple[str, Update]]:
    for client, images_NCHW in images.items():
        yield client, enrolment_update(at_clients.trainer.network, images_NCHW, at_clients.plan)


def _trained(at_clients: AtClients, images: Mapping[str, Tensor]) -> Iterator[tuple[str, Update]]:
    training = TrainingRound(at_clients.plan, at_clients.number, at_clients.guidance, at_clients.model_sha256)
    trainees = [
        Trainee(
            client=client,
            images_NCHW=images_NCHW,
            class_embedding_D=at_clients.class_embeddings_CD[client_index(client)],
            residual_P=at_clients.residuals.get(client),
        )
        for client, images_NCHW in images.items()
    ]
    return training_updates(at_clients.trainer, trainees, training)


CLIENT_WORK: dict[RoundKind, Callable[[AtClients, Mapping[str, Tensor]], Iterator[tuple[str, Update]]]] = {
    RoundKind.ENROLMENT: _enrolments,
    RoundKind.TRAINING: _trained,
}
"""The updates of the clients whose images (n, C, H, W) these are, in their order, by the kind of the round."""
