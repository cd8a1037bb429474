"""What a simulated device does in a round. It is drawn from the plan's seed, the client and the round, so every process
draws the same behaviour; only the availability also depends on the time.

Each kind of draw has a random stream of its own, so that a change of one number in a plan leaves all other draws unchanged.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from itertools import takewhile
from typing import Any

from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.devices import LONGEST_WAIT_SECONDS
from fedface_core.domain.plan.secure_aggregation import SecureAggregationPlan
from fedface_core.domain.round_kind import RoundKind

_ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)


class Wait(StrEnum):
    """What a client waits for, with its task back in the queue."""

    TRAINING = "training"
    """Until it has taken its time, and its uploads have broken off as often as they do."""
    DELIVERY = "delivery"
    """Until its update is late."""
    NEXT_ROUND = "next_round"
    """Until a round is open, in asynchronous aggregation. No device is the cause."""


class RoundTask(StrEnum):
    """What a client is asked for in a round, in this order. Without masks it only trains."""

    REGISTER = "register"
    SHARE = "share"
    TRAIN = "train"
    SIGN = "sign"
    REVEAL = "reveal"


_ORDER = tuple(RoundTask)


@dataclass(frozen=True)
class Behaviour:
    """What the device of one client does in one round. The defaults describe the ideal device."""

    available: bool = True
    """Whether it answers at all."""
    drops_out_at: RoundTask | None = None
    """The first task that it takes and never answers, nor any after it in this round."""
    seconds: float = 0.0
    """How long it takes, besides the real training."""
    upload_failures: int = 0
    """How many attempts to upload fail, one after another."""
    late_seconds: float = 0.0
    """How much later it delivers its update."""

    def answers(self, task: RoundTask) -> bool:
        """Whether it answers this task of the round: it is available, and has not dropped out before or by then."""
        return self.available and not (self.drops_out_at and _ORDER.index(self.drops_out_at) <= _ORDER.index(task))


def behaviour(plan: Plan, client: str, number: int, now: datetime | None) -> Behaviour:
    """What ``client`` does in round ``number`` if its task reaches it at ``now``.

    ``now`` may be None if the plan's devices are always available, since nothing else depends on it.

    At enrolment only its speed is drawn: a person is there and sets the device up, and a client that missed enrolment
    could take part in no later round. A trace entry that names round 0 applies to enrolment nevertheless.
    """
    if not plan.devices.simulated:
        return Behaviour()
    enrols = RoundKind.of(number) is RoundKind.ENROLMENT
    drawn = Behaviour(seconds=_seconds(plan, client)) if enrols else _training_behaviour(plan, client, number, now)
    device = replace(drawn, **_trace_overrides(plan, client, number))
    return replace(device, seconds=min(device.seconds, LONGEST_WAIT_SECONDS - device.late_seconds))


def uploads(plan: Plan, client: str, number: int) -> bool:
    """Whether ``client`` puts its update of round ``number``, if it is available and has all the time that it takes.

    It does not if it drops out before, or if all its uploads break off.
    """
    if not plan.devices.simulated:
        return True
    device = replace(behaviour(plan, client, number, _ANY_TIME), available=True)
    return device.answers(RoundTask.TRAIN) and device.upload_failures < plan.devices.upload_attempts


def _training_behaviour(plan: Plan, client: str, number: int, now: datetime | None) -> Behaviour:
    devices = plan.devices
    this_round = f"{client}/{number}"
    uploads = _stream(plan, "upload", this_round)
    attempts = (uploads.random() for _ in range(devices.upload_attempts))
    late = _stream(plan, "lateness", this_round).random() < devices.lateness
    return Behaviour(
        available=_is_available(plan, client, now),
        drops_out_at=_drops_out_at(plan, this_round),
        seconds=_seconds(plan, client),
        upload_failures=sum(1 for _ in takewhile(lambda draw: draw < devices.upload_failure, attempts)),
        late_seconds=devices.lateness_seconds if late else 0.0,
    )


def _drops_out_at(plan: Plan, this_round: str) -> RoundTask | None:
    draws = _stream(plan, "dropout", this_round)
    return next((task for task in _tasks(plan) if draws.random() < plan.devices.dropout), None)


def _tasks(plan: Plan) -> tuple[RoundTask, ...]:
    """The tasks of a training round, in their order."""
    match plan.secure_aggregation:
        case None:
            return (RoundTask.TRAIN,)
        case SecureAggregationPlan(against="curious"):
            return RoundTask.SHARE, RoundTask.TRAIN, RoundTask.REVEAL
        case _:
            return RoundTask.SHARE, RoundTask.TRAIN, RoundTask.SIGN, RoundTask.REVEAL


def _seconds(plan: Plan, client: str) -> float:
    spread = plan.devices.speed_spread
    # A log-normal factor exp(N(−σ²/2, σ²)) has the mean 1.
    return plan.devices.mean_seconds * _stream(plan, "speed", client).lognormvariate(-(spread**2) / 2, spread)


def _is_available(plan: Plan, client: str, now: datetime | None) -> bool:
    if plan.devices.always_available:
        return True
    assert now is not None, "the caller knows whether the plan's devices are always available"
    period = plan.devices.availability_period_seconds
    phase = _stream(plan, "phase", client).random() * period
    return (now.timestamp() + phase) % period < plan.devices.available_fraction * period


def _stream(plan: Plan, purpose: str, name: str) -> random.Random:
    return random.Random(f"{plan.seed}/{purpose}/{name}")


def _trace_overrides(plan: Plan, client: str, number: int) -> dict[str, Any]:
    """The fields of `Behaviour` that the trace sets. An entry for this round overrides one for every training round."""
    entries = [entry for entry in plan.devices.trace if entry.client == client]
    trains = RoundKind.of(number) is RoundKind.TRAINING
    for_all_rounds = [entry for entry in entries if entry.round is None and trains]
    for_this_round = [entry for entry in entries if entry.round == number]
    overrides: dict[str, Any] = {}
    for entry in for_all_rounds + for_this_round:
        overrides |= entry.model_dump(exclude={"client", "round", "drops_out"}, exclude_none=True)
        if entry.drops_out is not None:
            overrides["drops_out_at"] = _ORDER[0] if entry.drops_out else None
    return overrides
