"""From a client's images to the bytes of its update. The client service and the simulation call these functions."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import isfinite
from typing import Any, Final, NoReturn, TypeVar, final

from torch import Tensor

from fedface_core.domain.errors import FedFaceError, InvalidInputError
from fedface_core.domain.plan import Plan
from fedface_core.domain.reasons import reason_of
from fedface_core.domain.update import AcceptedUpdate
from fedface_learning.client.enrolment import mean_embedding
from fedface_learning.client.local_training import LocalResult, Trainee, TrainingRound
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.client.vectorised_training import image_places, place_of, train_vectorised
from fedface_learning.formats.codec import encode_tensors, encoded_size, sha256_hex
from fedface_learning.memory_errors import is_out_of_memory
from fedface_learning.models import EmbeddingNetwork
from fedface_learning.objectives.class_sums import BEFORE_AND_AFTER, on_the_grid
from fedface_learning.strategies import Tensors
from fedface_learning.strategies.mean_embeddings import MEAN_EMBEDDING
from fedface_learning.updates.class_parts import encode_kept
from fedface_learning.updates.encoding import encode_residual, update_encoding_of
from fedface_learning.updates.trained import TrainedUpdate

_NO_OBJECT: Final = "0" * 64
MadeT = TypeVar("MadeT")


@final
@dataclass(frozen=True)
class Update:
    """A client's update, ready to be put into the store."""

    data: bytes
    """The object."""
    accepted: AcceptedUpdate
    """What the ledger records of the object once it is stored."""
    residual: bytes | None = None
    """The residual as an object, if the client keeps one: it uses it for its next update if this one is accepted."""


@dataclass(frozen=True)
class TrainingFailure:
    """A client's training in a round has given no update, with the reason."""

    reason: str

    def raised(self) -> NoReturn:
        """Raise the failure as an `InvalidInputError`."""
        raise InvalidInputError(self.reason)


def enrolment_update(network: EmbeddingNetwork, images_NCHW: Tensor, plan: Plan) -> Update:
    """The update of a client at enrolment: the mean embedding (D,) of its images (N, C, H, W) by the initial network.

    If class embeddings stay with their clients, it is the client's class embedding, which the client keeps.

    `InvalidInputError` if the network's features of an image are not finite.
    """
    mean_D = mean_embedding(network, images_NCHW, centring=plan.model.centring)
    metadata: dict[str, Any] = {"images": len(images_NCHW)}
    residual: bytes | None = None
    if plan.only_sums:
        mean_D = on_the_grid(mean_D)
        residual = encode_kept(mean_D)
        metadata["residual_sha256"] = sha256_hex(residual)
    data = encode_tensors({MEAN_EMBEDDING: mean_D}, metadata)
    accepted = AcceptedUpdate.model_validate(metadata | {"sha256": sha256_hex(data), "size": len(data)})
    return Update(data, accepted, residual)


def training_update(trainer: LocalTrainer, trainee: Trainee, training: TrainingRound) -> Update:
    """The update of one client in a training round: the trainer's global model, trained on the client's images.

    The client trains in the trainer's network. The update shares no memory with it. `InvalidInputError` if the training
    diverged (a loss is not finite), or broke off for any other reason that lies in the plan or the client's data.
    """
    with _naming_the_client(trainee.client, training.number):
        return _encoding(trainer, trainer.train(trainee, training), trainee, training)()


def training_updates(
    trainer: LocalTrainer, trainees: Sequence[Trainee], training: TrainingRound
) -> Iterator[tuple[str, Update | TrainingFailure]]:
    """Pairs of client and update, in the order of ``trainees``. Each pair is given as soon as the training allows.

    Clients train one at a time in the trainer's network. If the plan vectorises clients, as many of them train at once as
    the plan says, provided that their places have equally many images (`vectorised_training.image_places`). A client whose
    training diverges or breaks off has a failure instead of an update; the others are not affected. If it breaks off for
    clients that train at once, each of them trains alone, so that only those at fault fail.
    """
    waiting = deque(trainee.client for trainee in trainees)
    made: dict[str, Update | TrainingFailure] = {}
    for group in _groups(trainer, trainees, training):
        for part in _made_of_group(
            trainer, group, training, lambda result, trainee: _encoding(trainer, result, trainee, training)()
        ):
            made |= part
        while waiting and waiting[0] in made:
            client = waiting.popleft()
            yield client, made.pop(client)


def trained_groups(
    trainer: LocalTrainer, trainees: Sequence[Trainee], training: TrainingRound
) -> Iterator[Mapping[str, TrainedUpdate | TrainingFailure]]:
    """Client → its update, not encoded, or its failure, for each group of clients that train at once.

    Groups and failures are those of `training_updates`. The updates may be in the trainer's memory, which the next group
    overwrites: use them before asking for the next group.
    """
    for group in _groups(trainer, trainees, training):
        yield from _made_of_group(trainer, group, training, lambda result, trainee: _unencoded(result, trainee, training))


def unencoded_groups(
    trainer: LocalTrainer, trainees: Sequence[Trainee], training: TrainingRound
) -> Iterator[dict[str, Callable[[], Update]]]:
    """Client → a function that encodes its update, for each group of clients that train at once by a plan that vectorises.

    Groups, updates and failures are those of `training_updates`; the function raises a failure as `InvalidInputError`. It
    may be called in another thread, also while the next group trains: what it takes is in the memory of the processor, and
    nobody overwrites it.
    """
    assert training.plan.local_training.vectorised_clients > 1, "one client alone trains in memory that the next overwrites"
    for group in _groups(trainer, trainees, training):
        for part in _made_of_group(
            trainer, group, training, lambda result, trainee: _encoding(trainer, result, trainee, training)
        ):
            yield {client: made.raised if isinstance(made, TrainingFailure) else made for client, made in part.items()}
            del part  # its memory, which whoever encodes it frees


def _groups(trainer: LocalTrainer, trainees: Iterable[Trainee], training: TrainingRound) -> Iterator[list[Trainee]]:
    """Groups of clients that can train at once, each as soon as it is full; then the smaller groups."""
    size = training.plan.local_training.vectorised_clients
    begun: dict[int, list[dict[int, Trainee]]] = {}
    for trainee in trainees:
        images = image_places(trainer.network, training, len(trainee.images_NCHW))
        groups = begun.setdefault(images, [])
        place = place_of(trainee, training)
        group = next((group for group in groups if place not in group), None)
        if group is None:
            group = {}
            groups.append(group)
        group[place] = trainee
        if len(group) == size:
            groups.remove(group)
            yield list(group.values())
    for groups in begun.values():
        yield from (list(group.values()) for group in groups)


def _made_of_group(
    trainer: LocalTrainer,
    group: Sequence[Trainee],
    training: TrainingRound,
    make: Callable[[LocalResult, Trainee], MadeT],
) -> Iterator[dict[str, MadeT | TrainingFailure]]:
    """Client → what is made of its result, or its failure, for the clients of a group: all at once, or one by one if their
    training breaks off.
    """
    vectorised = training.plan.local_training.vectorised_clients > 1
    made: dict[str, MadeT | TrainingFailure] = {}
    broke_off: TrainingFailure | None = None
    try:
        with _naming_the_client(", ".join(trainee.client for trainee in group), training.number):
            results = train_vectorised(trainer, group, training) if vectorised else [trainer.train(group[0], training)]
    except InvalidInputError as error:
        broke_off = TrainingFailure(str(error))
    if broke_off is not None:  # and the error is gone, which held on to the memory of the attempt
        if len(group) == 1:
            yield {group[0].client: broke_off}
            return
        for trainee in group:
            yield from _made_of_group(trainer, [trainee], training, make)
        return
    for trainee, result in zip(group, results, strict=True):
        try:
            with _naming_the_client(trainee.client, training.number):
                made[trainee.client] = make(result, trainee)
        except InvalidInputError as error:
            made[trainee.client] = TrainingFailure(str(error))
    yield made


@contextmanager
def _naming_the_client(client: str, number: int) -> Iterator[None]:
    """Turn an error of a computation into an `InvalidInputError` that names the client: to compute it again would not help.

    It may help if only memory was short. That error, and those of FedFace, leave the block as they are.
    """
    try:
        yield
    except (FedFaceError, OSError):
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise InvalidInputError(
            f"the local training of {client} broke off in round {number}: {reason_of(error)}; look at local_training in the "
            "plan, and at the client's images"
        ) from error


def _unencoded(result: LocalResult, trainee: Trainee, training: TrainingRound) -> TrainedUpdate:
    metadata = _declared(result, trainee, training)
    known = {"sha256": _NO_OBJECT, "size": encoded_size(result.models.places_beside(result.uploads), metadata)}
    return TrainedUpdate(AcceptedUpdate.model_validate(metadata | known), result.models, result.index, result.uploads)


def _encoding(trainer: LocalTrainer, result: LocalResult, trainee: Trainee, training: TrainingRound) -> Callable[[], Update]:
    """A function that encodes the client's update. Copies from a GPU are made now, in the thread that trains there."""
    declared = _declared(result, trainee, training)
    return partial(_encode, declared, result.model, result.uploads, trainee, training, trainer.started_from)


def _encode(
    metadata: dict[str, Any],
    trained: Tensors,
    uploads: Tensors,
    trainee: Trainee,
    training: TrainingRound,
    global_model: Tensors,
) -> Update:
    with _naming_the_client(trainee.client, training.number):
        model, residual_P = update_encoding_of(training.plan).encode(trained, global_model, trainee.residual_P)
        assert not model.keys() & uploads.keys(), "tensors beside the model must not have the names of the model's tensors"
        residual = None if residual_P is None else encode_residual(residual_P)
        if training.plan.only_sums:
            _, after_D = uploads[BEFORE_AND_AFTER]
            residual = encode_kept(after_D)
        if residual is not None:
            metadata = metadata | {"residual_sha256": sha256_hex(residual)}
        data = encode_tensors({**model, **uploads}, metadata)
        accepted = AcceptedUpdate.model_validate(metadata | {"sha256": sha256_hex(data), "size": len(data)})
        return Update(data, accepted, residual)


def _declared(result: LocalResult, trainee: Trainee, training: TrainingRound) -> dict[str, Any]:
    """What a client declares of its training. `InvalidInputError` if a loss is not finite."""
    losses = (result.loss_before, result.loss_after)
    if not all(isfinite(loss) for loss in losses):
        raise InvalidInputError(
            f"the local training of {trainee.client} diverged in round {training.number}: its loss is {losses[0]} before "
            f"and {losses[1]} after; lower local_training.learning_rate, or start from other weights"
        )
    return {
        "images": len(trainee.images_NCHW),
        "loss_before": result.loss_before,
        "loss_after": result.loss_after,
        "started_from": training.started_from,
    }
