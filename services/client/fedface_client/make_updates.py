"""Makes the updates of clients that train at once. If the plan vectorises none, a client at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeVar

from fedface_client.attempt import Attempt
from fedface_client.background_delivery import Delivery
from fedface_client.make_update import TrainingInputs
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import Round
from fedface_core.domain.round_kind import RoundKind
from fedface_core.domain.update import AcceptedUpdate
from fedface_core.runtime.metrics import CLIENT_STEP_SECONDS, ClientStep
from fedface_learning.client.local_training import Trainee, TrainingRound
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.client.update import TrainingFailure, Update, trained_groups, unencoded_groups
from fedface_learning.updates.trained import TrainedUpdate

TrainedT = TypeVar("TrainedT")
"""What the training of a client gives."""


def clients_at_once(plan: Plan, opened_round: Round) -> int:
    """How many clients of a task make their updates at once: none enrols beside another."""
    return plan.local_training.vectorised_clients if opened_round.kind is RoundKind.TRAINING else 1


def make_updates(attempts: Sequence[Attempt], at_once: int) -> Iterator[list[Delivery]]:
    """What is left to do for the attempts that have an update to deliver, by groups that train at once.

    An update of a client that trains alone is made already. Those of others are encoded in their deliveries, which may be
    carried out while the next group trains. An error that is no client's fault is counted for each client that was to train,
    since each may have caused it.
    """
    if at_once == 1:
        for attempt in attempts:
            update = attempt.make_update()
            if update is not None:
                yield [_known(attempt, update)]
        return
    waiting: dict[str, tuple[Attempt, TrainingInputs]] = {}
    for attempt, found in _inputs(attempts):
        if isinstance(found, AcceptedUpdate):
            yield [_known(attempt, found)]
        else:
            waiting[attempt.invitation.client_id] = (attempt, found)
    for group in _train_groups(waiting, unencoded_groups):
        yield [Delivery(attempt, partial(attempt.finish, inputs, encode)) for attempt, inputs, encode in group]
        del group  # its memory, before the next group takes as much


def train_to_combine(attempts: Sequence[Attempt]) -> Iterator[list[tuple[Attempt, TrainedUpdate]]]:
    """What the attempts that can train have trained, by groups that train at once, in memory that the next group may
    overwrite.

    Errors as `make_updates` raises them.
    """
    waiting = {
        attempt.invitation.client_id: (attempt, found)
        for attempt, found in _inputs(attempts)
        if not isinstance(found, AcceptedUpdate)
    }
    for group in _train_groups(waiting, trained_groups):
        finished = [
            (attempt, update)
            for attempt, inputs, made in group
            if (update := attempt.finish(inputs, partial(_made_or_raised, made))) is not None
        ]
        yield finished
        del group, finished  # their memory, before the next group takes as much


def _known(attempt: Attempt, update: Update | AcceptedUpdate) -> Delivery:
    return Delivery(attempt, lambda: update)


def _made_or_raised(made: TrainedUpdate | TrainingFailure) -> TrainedUpdate:
    if isinstance(made, TrainingFailure):
        made.raised()
    return made


def _inputs(attempts: Sequence[Attempt]) -> Iterator[tuple[Attempt, TrainingInputs | AcceptedUpdate]]:
    """What each attempt trains with, or the record of its stored update. Attempts that have neither are left out."""
    for attempt in attempts:
        found = attempt.fetch_inputs()
        if found is not None:
            yield attempt, found


def _train_groups(
    waiting: dict[str, tuple[Attempt, TrainingInputs]],
    train: Callable[[LocalTrainer, Sequence[Trainee], TrainingRound], Iterator[Mapping[str, TrainedT]]],
) -> Iterator[list[tuple[Attempt, TrainingInputs, TrainedT]]]:
    """What each client's training gives, by groups that train at once. Clients are taken out of ``waiting``."""
    if not waiting:
        return
    inputs = [each for _, each in waiting.values()]
    trained = train(inputs[0].trainer, [each.trainee for each in inputs], inputs[0].training)
    while waiting:
        try:
            with CLIENT_STEP_SECONDS.labels(ClientStep.TRAIN).time():
                group = next(trained)
        except Exception as error:
            for attempt, _ in waiting.values():
                attempt.count_error(error)
            error.add_note(f"at work for {', '.join(waiting)}")
            raise
        yield [(*waiting.pop(client), made) for client, made in group.items()]
        del group  # its memory, before the next group takes as much
