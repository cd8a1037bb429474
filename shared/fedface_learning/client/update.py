"""What a client does in a round, from images to the bytes that it uploads. The client service and the simulation call it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from fedface_core.domain.plan import Plan
from fedface_core.domain.update import AcceptedUpdate
from fedface_learning.client.enrolment import mean_embedding
from fedface_learning.client.local_training import LocalResult, Trainee, TrainingRound
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.client.vectorised_training import train_together
from fedface_learning.formats.codec import encode_tensors, sha256_hex
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.strategies import Tensors
from fedface_learning.updates.checks import MEAN_EMBEDDING
from fedface_learning.updates.encoding import encode_residual, update_encoding_of


@dataclass(frozen=True)
class Update:
    """The object to put, and what the ledger is to record of it once it is put."""

    data: bytes
    accepted: AcceptedUpdate
    residual: bytes | None = None
    """What the encoding left out, with error feedback: for the client itself, once this update has counted."""


def enrolment_update(network: EmbeddingNetwork, images_NCHW: Tensor, plan: Plan) -> Update:
    """Round 0: the mean embedding of a client's images by the initial network."""
    mean_D = mean_embedding(network, images_NCHW, centring=plan.model.centring)
    images = len(images_NCHW)
    data = encode_tensors({MEAN_EMBEDDING: mean_D}, {"images": images})
    return Update(data, AcceptedUpdate(sha256=sha256_hex(data), size=len(data), images=images))


def training_update(trainer: LocalTrainer, trainee: Trainee, training: TrainingRound) -> Update:
    """The update of one client in a training round: the trainer's global model, trained on the client's images.

    The client trains in the trainer's network. The update shares no memory with it.
    """
    return _update(trainer.train(trainee, training), trainee, training, trainer.global_model)


def training_updates(
    trainer: LocalTrainer, trainees: Sequence[Trainee], training: TrainingRound
) -> Iterator[tuple[str, Update]]:
    """The clients' updates, each with its client's name, in the order of ``trainees``; each as soon as its turn has come.

    Clients train one at a time, in the trainer's network; or, if the plan vectorises clients, as many at once as it says,
    of those that have equally many images.
    """
    together = training.plan.local_training.vectorised_clients
    waiting = deque(trainee.client for trainee in trainees)
    made: dict[str, Update] = {}
    for group in _groups(trainees, together):
        results = [trainer.train(group[0], training)] if together == 1 else train_together(trainer, group, training)
        for trainee, result in zip(group, results, strict=True):
            made[trainee.client] = _update(result, trainee, training, trainer.global_model)
        while waiting and waiting[0] in made:
            client = waiting.popleft()
            yield client, made.pop(client)


def _groups(trainees: Iterable[Trainee], together: int) -> Iterator[list[Trainee]]:
    """Clients with equally many images, ``together`` in a group as soon as there are so many; then those left over."""
    gathered: dict[int, list[Trainee]] = {}
    for trainee in trainees:
        images = len(trainee.images_NCHW)
        gathered.setdefault(images, []).append(trainee)
        if len(gathered[images]) == together:
            yield gathered.pop(images)
    yield from gathered.values()


def _update(result: LocalResult, trainee: Trainee, training: TrainingRound, global_model: Tensors) -> Update:
    metadata: dict[str, Any] = {
        "images": len(trainee.images_NCHW),
        "loss_before": result.before,
        "loss_after": result.after,
        "started_from": training.started_from,
    }
    model, left_P = update_encoding_of(training.plan).encode(result.model, global_model, trainee.residual_P)
    assert not model.keys() & result.uploads.keys(), "what is uploaded beside the model has names of its own"
    residual = None if left_P is None else encode_residual(left_P)
    if residual is not None:
        metadata["residual_sha256"] = sha256_hex(residual)
    data = encode_tensors({**model, **result.uploads}, metadata)
    accepted = AcceptedUpdate.model_validate(metadata | {"sha256": sha256_hex(data), "size": len(data)})
    return Update(data, accepted, residual)
