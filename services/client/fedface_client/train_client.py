"""A training round on the client: the global model, its own class embedding, its own images; out comes an update."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from fedface_client.deliver_update import Delivery, respond
from fedface_client.device import photographs
from fedface_client.settle_client import Invitation
from fedface_client.work_through import work_through
from fedface_core.contracts import object_keys
from fedface_core.domain.commands import TrainClients
from fedface_core.domain.errors import ArtifactMissingError, InvalidInputError
from fedface_core.domain.ids import client_index
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import Round
from fedface_core.ports import ArtifactStore, Ports
from fedface_core.runtime.metrics import CLIENT_STEP_SECONDS, TRAINING_IMAGES
from fedface_learning.client.update import Update, training_update
from fedface_learning.formats.class_embeddings import decode_class_embeddings, row_range
from fedface_learning.updates.encoding import decode_residual
from fedface_worker.checked_artifacts import get_checked
from fedface_worker.workbench import Workbench


def train_clients(bench: Workbench, command: TrainClients, correlation_id: str) -> None:
    """Have each client train the round's model on its images and put its update."""
    plan = bench.plan(command.run_id, correlation_id)
    opened = bench.opened_round(command.run_id, command.round, correlation_id)

    def train(client: str) -> Delivery | None:
        invitation = Invitation(command.run_id, command.round, client, correlation_id)
        return respond(
            bench, plan, invitation, partial(_make_update, bench, plan, opened, client), started_from=opened.model_sha256
        )

    work_through(bench, command, correlation_id, train)


def _make_update(bench: Workbench, plan: Plan, opened: Round, client: str) -> Update:
    with CLIENT_STEP_SECONDS.labels("fetch").time():
        images_NCHW = photographs(plan, client)
        own_D = own_class_embedding(bench.ports.artifacts, opened, client, plan.model.embedding_size)
        guidance = bench.guidance(opened.run_id, opened.guidance_sha256)
        residual_P = own_residual(bench.ports, opened, client)
        trainer = bench.models.trainer(plan.model, opened.model_sha256)
    with CLIENT_STEP_SECONDS.labels("train").time():
        update = training_update(
            trainer,
            images_NCHW,
            own_D,
            plan,
            opened.number,
            client,
            started_from=opened.model_sha256,
            guidance=guidance,
            residual_P=residual_P,
        )
    batch = min(plan.local_training.batch_size or len(images_NCHW), len(images_NCHW))
    TRAINING_IMAGES.inc(plan.local_training.steps_in(opened.number, plan.rounds) * batch)
    return update


def own_class_embedding(artifacts: ArtifactStore, opened: Round, client: str, size: int) -> Tensor:
    """The client's own row (D,) of the W that the round starts from; nobody else's is read."""
    assert opened.class_embeddings_sha256 is not None, "a training round starts from class embeddings"
    first, length = row_range(client_index(client), size)
    row = artifacts.get_range(object_keys.class_embeddings(opened.run_id, opened.class_embeddings_sha256), first, length)
    return decode_class_embeddings(row, size)[0]


def own_residual(ports: Ports, opened: Round, client: str) -> Tensor | None:
    """What the encoding of the client's last update that counted had left out (P,); None where there is none.

    `InvalidInputError` where it was damaged or is gone: to go on without it would make another model.
    """
    number = opened.residuals.get(client)
    if number is None:
        return None
    sha256 = ports.ledger.accepted(opened.run_id, number, [client])[client].residual_sha256
    if sha256 is None:  # it said that it had left nothing out
        return None
    key = object_keys.residual(opened.run_id, number, client, sha256)
    try:
        return decode_residual(get_checked(ports.artifacts, key, sha256))
    except ArtifactMissingError as error:
        raise InvalidInputError(f"the residual of round {number} is gone: {error}") from error
