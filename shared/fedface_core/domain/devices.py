"""What a simulated device does in a round. It is drawn from the plan's seed, the client and the round, so every process
draws the same behaviour; only the availability also depends on the time.

Each kind of draw has a random stream of its own, so that a change of one number in a plan leaves all other draws unchanged.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import takewhile
from typing import Any

from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.devices import LONGEST_WAIT_SECONDS
from fedface_core.domain.round_kind import RoundKind


class Wait(StrEnum):
    """What a client waits for, with its task back in the queue."""

    TRAINING = "training"
    """Until it has taken its time, and its uploads have broken off as often as they do."""
    DELIVERY = "delivery"
    """Until its update is late."""
    NEXT_ROUND = "next_round"
    """Until a round is open, in asynchronous aggregation. No device is the cause."""


@dataclass(frozen=True)
class Behaviour:
    """What the device of one client does in one round. The defaults describe the ideal device."""

    available: bool = True
    """Whether it answers at all."""
    drops_out: bool = False
    """Whether it takes its task and never answers."""
    seconds: float = 0.0
    """How long it takes, besides the real training."""
    upload_failures: int = 0
    """How many attempts to upload fail, one after another."""
    late_seconds: float = 0.0
    """How much later it delivers its update."""


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


def _training_behaviour(plan: Plan, client: str, number: int, now: datetime | None) -> Behaviour:
    devices = plan.devices
    this_round = f"{client}/{number}"
    uploads = _stream(plan, "upload", this_round)
    attempts = (uploads.random() for _ in range(devices.upload_attempts))
    late = _stream(plan, "lateness", this_round).random() < devices.lateness
    return Behaviour(
        available=_is_available(plan, client, now),
        drops_out=_stream(plan, "dropout", this_round).random() < devices.dropout,
        seconds=_seconds(plan, client),
        upload_failures=sum(1 for _ in takewhile(lambda draw: draw < devices.upload_failure, attempts)),
        late_seconds=devices.lateness_seconds if late else 0.0,
    )


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
        overrides |= entry.model_dump(exclude={"client", "round"}, exclude_none=True)
    return overrides
