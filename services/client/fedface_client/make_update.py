"""Makes a client's update: fetches what the kind of round needs, then enrols or trains."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Self

from torch import Tensor

from fedface_client.device import photographs
from fedface_client.invitation import Invitation
from fedface_core.contracts import object_keys
from fedface_core.domain.declaration import check_declaration
from fedface_core.domain.errors import ArtifactMissingError, LostResidualError
from fedface_core.domain.round import Round
from fedface_core.domain.round_kind import RoundKind
from fedface_core.ports import ArtifactStore, Ports
from fedface_core.runtime.metrics import CLIENT_STEP_SECONDS, TRAINING_IMAGES, ClientStep
from fedface_core.secure_aggregation.kept_secret import SEAL_BYTES, unseal
from fedface_core.secure_aggregation.simulated_device import simulated_device
from fedface_learning.client.batches import images_in_a_step
from fedface_learning.client.local_training import Trainee, TrainingRound
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.client.update import Update, enrolment_update, training_update
from fedface_learning.device import prepare_device
from fedface_learning.formats.class_embeddings import decode_class_embeddings
from fedface_learning.updates.class_parts import decode_kept, kept_limit
from fedface_learning.updates.encoding import decode_residual, residual_limit, update_encoding_of
from fedface_worker.checked_artifacts import get_checked
from fedface_worker.workbench import Workbench


def make_update(workbench: Workbench, invitation: Invitation) -> Update:
    """Make an invited client's update from its images. Nothing is put into the store.

    `InvalidInputError` if the client's images cannot be used, `DamagedObjectError` if an object in the store is damaged,
    `LostResidualError` if the residual of the client's last update is gone, `UpdateRefusedError` if the aggregator would
    refuse the update for its number of images or its losses.
    """
    kind = invitation.opened_round.kind
    match kind:
        case RoundKind.ENROLMENT:
            update = _enrol(workbench, invitation)
        case RoundKind.TRAINING:
            update = _train(workbench, invitation)
    check_declaration(update.accepted, invitation.plan, kind)
    return update


def started_from(opened_round: Round) -> str | None:
    """The SHA-256 of the model version that each update of the round must name; None at enrolment, which trains no model."""
    return opened_round.model_sha256 if opened_round.kind is RoundKind.TRAINING else None


def _enrol(workbench: Workbench, invitation: Invitation) -> Update:
    """Make the mean embedding of the client's images with the initial network."""
    plan = invitation.plan
    device = prepare_device(plan.compute)
    with CLIENT_STEP_SECONDS.labels(ClientStep.FETCH).time():
        images_NCHW = photographs(workbench, invitation)
        network = workbench.models.network(plan.model, invitation.opened_round.model_sha256, device)
    with CLIENT_STEP_SECONDS.labels(ClientStep.EMBED).time():
        return enrolment_update(network, images_NCHW, plan)


@dataclass(frozen=True)
class TrainingInputs:
    """What the training of an invited client takes. Trainer and round are those of all clients of a task."""

    trainer: LocalTrainer
    trainee: Trainee
    training: TrainingRound

    @classmethod
    def fetch(cls, workbench: Workbench, invitation: Invitation) -> Self:
        """Fetch the client's images, its own class embedding and residual; the round's model version, anchor and guidance.

        Errors as `make_update` raises them.
        """
        plan = invitation.plan
        opened = invitation.opened_round
        client = invitation.client_id
        device = prepare_device(plan.compute)
        with CLIENT_STEP_SECONDS.labels(ClientStep.FETCH).time():
            images_NCHW = photographs(workbench, invitation)
            residual_P = None
            if plan.only_sums:
                own_D = _kept_class_embedding(workbench.ports, invitation)
            else:
                own_D = own_class_embedding(workbench.ports.artifacts, opened, client, plan.model.embedding_size)
                residual_P = _own_residual(workbench.ports, invitation)
            guidance = workbench.guidance(opened.run_id, opened.guidance_sha256)
            trainer = workbench.models.trainer(plan.model, opened.model_sha256, device)
            anchor = workbench.models.anchor(plan.model, opened.anchor_sha256, device)
        trainee = Trainee(client, images_NCHW, own_D, residual_P, bisect_left(opened.cohort, client))
        return cls(trainer, trainee, TrainingRound(plan, opened.number, guidance, started_from(opened), anchor))

    def count_images(self) -> None:
        """Count the images that the client has seen in its steps; not with masks, which hide how many it has."""
        training = self.training
        if training.plan.secure_aggregation is not None:
            return
        batch = images_in_a_step(training.plan.local_training, len(self.trainee.images_NCHW))
        TRAINING_IMAGES.inc(training.steps * batch)


def _train(workbench: Workbench, invitation: Invitation) -> Update:
    """Train the round's model version on the client's images with its own class embedding."""
    inputs = TrainingInputs.fetch(workbench, invitation)
    with CLIENT_STEP_SECONDS.labels(ClientStep.TRAIN).time():
        update = training_update(inputs.trainer, inputs.trainee, inputs.training)
    inputs.count_images()
    return update


def own_class_embedding(artifacts: ArtifactStore, opened_round: Round, client: str, size: int) -> Tensor:
    """The client's own row of the W that the round starts from: float32 (D,), where D is ``size``. No other row is read."""
    assert opened_round.class_embeddings_sha256 is not None, "a training round starts from class embeddings"
    key = object_keys.row(opened_round.run_id, opened_round.class_embeddings_sha256, client)
    return decode_class_embeddings(artifacts.get(key), size)[0]


def _kept_class_embedding(ports: Ports, invitation: Invitation) -> Tensor:
    """The class embedding (D,) that the client has in the class sums: the residual of its last update that counted.

    Errors as `_read_residual` raises them; `LostResidualError` too if the update left none.
    """
    plan = invitation.plan
    size = plan.model.embedding_size
    data = _read_residual(ports, invitation, kept_limit(size) + SEAL_BYTES)
    if data is None:
        raise LostResidualError(f"{invitation.client_id} has no class embedding in the sums, and so nothing to go on from")
    if plan.secure_aggregation is not None:
        opened = invitation.opened_round
        device = simulated_device(plan.seed, invitation.client_id)
        data = unseal(device, opened.run_id, opened.residuals[invitation.client_id], data)
    return decode_kept(data, size)


def _own_residual(ports: Ports, invitation: Invitation) -> Tensor | None:
    """The residual (P,) of the client's last update that counted; None if it left no residual.

    Errors as `_read_residual` raises them.
    """
    count = update_encoding_of(invitation.plan).count
    data = _read_residual(ports, invitation, residual_limit(count))
    return None if data is None else decode_residual(data, count)


def _read_residual(ports: Ports, invitation: Invitation, limit: int) -> bytes | None:
    """The object, of ``limit`` bytes at most, that the client's last update that counted left; None if it left none.

    `DamagedObjectError` if the residual is damaged, `LostResidualError` if it is gone: training without it would give
    another model.
    """
    opened_round = invitation.opened_round
    client = invitation.client_id
    number = opened_round.residuals.get(client)
    if number is None:
        return None
    sha256 = ports.ledger.accepted(opened_round.run_id, number, [client])[client].residual_sha256
    if sha256 is None:  # the update lost nothing
        return None
    key = object_keys.residual(opened_round.run_id, number, client, sha256)
    try:
        return get_checked(ports.artifacts, key, sha256, limit)
    except ArtifactMissingError as error:
        raise LostResidualError(f"the residual of round {number} is gone: {error}") from error
