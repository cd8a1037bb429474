"""Makes the updates of clients that train at once. If the plan vectorises none, a client at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from fedface_client.attempt import Attempt, MadeT
from fedface_client.make_update import TrainingInputs
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import Round
from fedface_core.domain.round_kind import RoundKind
from fedface_core.domain.update import AcceptedUpdate
from fedface_core.runtime.metrics import CLIENT_STEP_SECONDS, ClientStep
from fedface_learning.client.local_training import Trainee, TrainingRound
from fedface_learning.client.trainer import LocalTrainer
from fedface_learning.client.update import TrainingFailure, Update, trained_groups, training_updates
from fedface_learning.updates.trained import TrainedUpdate

Made = tuple[Attempt, Update | AcceptedUpdate]


def clients_at_once(plan: Plan, opened_round: Round) -> int:
    """How many clients of a task make their updates at once: none enrols beside another."""
    return plan.local_training.vectorised_clients if opened_round.kind is RoundKind.TRAINING else 1


def make_updates(attempts: Sequence[Attempt], at_once: int) -> Iterator[Made]:
    """The update of each attempt that has one to deliver, as soon as it is made.

    An error that is no client's fault is counted for each client that was to train, since each may have caused it.
    """
    if at_once == 1:
        for attempt in attempts:
            update = attempt.make_update()
            if update is not None:
                yield attempt, update
        return
    for group in _made_at_once(attempts, _one_by_one):
        yield from group


def train_to_combine(attempts: Sequence[Attempt]) -> Iterator[list[tuple[Attempt, TrainedUpdate]]]:
    """What the attempts that can train have trained, by groups that train at once, in memory that the next group may
    overwrite.

    Errors as `make_updates` raises them.
    """
    for group in _made_at_once(attempts, trained_groups):
        yield [(attempt, made) for attempt, made in group if not isinstance(made, AcceptedUpdate)]
        del group


def _one_by_one(
    trainer: LocalTrainer, trainees: Sequence[Trainee], training: TrainingRound
) -> Iterator[Mapping[str, Update | TrainingFailure]]:
    return ({client: made} for client, made in training_updates(trainer, trainees, training))


def _made_at_once(
    attempts: Sequence[Attempt],
    train: Callable[[LocalTrainer, Sequence[Trainee], TrainingRound], Iterator[Mapping[str, MadeT | TrainingFailure]]],
) -> Iterator[list[tuple[Attempt, MadeT | AcceptedUpdate]]]:
    waiting: dict[str, tuple[Attempt, TrainingInputs]] = {}
    for attempt in attempts:
        found = attempt.fetch_inputs()
        if isinstance(found, AcceptedUpdate):
            yield [(attempt, found)]
        elif found is not None:
            waiting[attempt.invitation.client_id] = (attempt, found)
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
        finished: list[tuple[Attempt, MadeT | AcceptedUpdate]] = []
        for client, made in group.items():
            attempt, own = waiting.pop(client)
            update = attempt.finish(own, made)
            if update is not None:
                finished.append((attempt, update))
        yield finished
        del group, finished  # their memory, before the next group takes as much
