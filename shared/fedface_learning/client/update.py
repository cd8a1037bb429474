"""What a client does in a round, from images to the bytes that it uploads. The client service and the simulation call it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from fedface_core.domain.plan import Plan
from fedface_core.domain.update import AcceptedUpdate
from fedface_learning.client.enrolment import mean_embedding
from fedface_learning.client.local_training import LocalResult, LocalTrainer
from fedface_learning.client.vectorised_training import Trainee, train_together
from fedface_learning.formats.codec import encode_tensors, sha256_hex
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.seeding import derive_seed
from fedface_learning.strategies import NOTHING, Tensors
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


def training_update(
    trainer: LocalTrainer,
    images_NCHW: Tensor,
    class_embedding_D: Tensor,
    plan: Plan,
    number: int,
    client: str,
    *,
    started_from: str | None = None,
    guidance: Tensors = NOTHING,
    residual_P: Tensor | None = None,
) -> Update:
    """Round ``number``: the trainer's global model, trained on a client's images.

    The update says which model version it ``started_from``, where that has a name. ``residual_P`` is what the client's last
    update that counted had left out, with error feedback. The update shares no memory with the trainer.
    """
    seed = derive_seed(plan.seed, number, client)
    result = trainer.train(images_NCHW, class_embedding_D, plan, number, seed, guidance)
    return _update(result, trainer, plan, len(images_NCHW), started_from, residual_P)


def training_updates(
    trainer: LocalTrainer,
    images: Mapping[str, Tensor],
    class_embeddings: Mapping[str, Tensor],
    plan: Plan,
    number: int,
    *,
    started_from: str | None = None,
    guidance: Tensors = NOTHING,
    residuals: Tensors = NOTHING,
) -> Iterator[tuple[str, Update]]:
    """`training_update` of each client whose ``images`` these are, in their order; ``residuals`` are by client.

    One at a time, or where the plan vectorises clients as many at once as it says, of those that have equally many images.
    """
    together = plan.local_training.vectorised_clients
    if together == 1:
        for client, images_NCHW in images.items():
            update = training_update(
                trainer,
                images_NCHW,
                class_embeddings[client],
                plan,
                number,
                client,
                started_from=started_from,
                guidance=guidance,
                residual_P=residuals.get(client),
            )
            yield client, update
        return
    alike: dict[int, list[str]] = {}
    for client, images_NCHW in images.items():
        alike.setdefault(len(images_NCHW), []).append(client)
    updates: dict[str, Update] = {}
    for count, clients in alike.items():
        for chosen in (clients[first : first + together] for first in range(0, len(clients), together)):
            seeds = {client: derive_seed(plan.seed, number, client) for client in chosen}
            trainees = [Trainee(images[client], class_embeddings[client], seeds[client]) for client in chosen]
            results = train_together(trainer, trainees, plan, number, guidance)
            for client, result in zip(chosen, results, strict=True):
                updates[client] = _update(result, trainer, plan, count, started_from, residuals.get(client))
    yield from ((client, updates[client]) for client in images)


def _update(
    result: LocalResult, trainer: LocalTrainer, plan: Plan, images: int, started_from: str | None, residual_P: Tensor | None
) -> Update:
    metadata: dict[str, Any] = {
        "images": images,
        "loss_before": result.before,
        "loss_after": result.after,
        "started_from": started_from,
    }
    model, left_P = update_encoding_of(plan).encode(result.model, trainer.global_model, residual_P)
    assert not model.keys() & result.uploads.keys(), "what is uploaded beside the model has names of its own"
    residual = None if left_P is None else encode_residual(left_P)
    if residual is not None:
        metadata["residual_sha256"] = sha256_hex(residual)
    data = encode_tensors({**model, **result.uploads}, metadata)
    accepted = AcceptedUpdate.model_validate(metadata | {"sha256": sha256_hex(data), "size": len(data)})
    return Update(data, accepted, residual)
