"""What a simulated device does in a round: drawn from the plan's seed, the client and the round, the same in every process.

Only the availability depends on the clock. Each draw has a stream of its own, so that to change one number of a plan
leaves the other draws as they were.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import takewhile
from typing import Any

from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.devices import LONGEST_WAIT_SECONDS
from fedface_core.domain.round_kind import RoundKind


@dataclass(frozen=True)
class Behaviour:
    """One client's in one round, at one moment. The defaults are the ideal device's."""

    available: bool = True
    drops_out: bool = False
    seconds: float = 0.0
    upload_failures: int = 0
    late_seconds: float = 0.0


def behaviour(plan: Plan, client: str, number: int, now: datetime) -> Behaviour:
    """What ``client`` does in round ``number`` where its task reaches it at ``now``.

    At enrolment nothing but its speed is drawn: the person is there and sets the device up, and a client that missed it
    would be left out of the whole run. A trace entry that names round 0 holds all the same.
    """
    if not plan.devices.simulated:
        return Behaviour()
    enrols = RoundKind.of(number) is RoundKind.ENROLMENT
    drawn = _enrolling(plan, client) if enrols else _training(plan, client, number, now)
    device = replace(drawn, **_traced(plan, client, number))
    return replace(device, seconds=min(device.seconds, LONGEST_WAIT_SECONDS - device.late_seconds))


def _enrolling(plan: Plan, client: str) -> Behaviour:
    return Behaviour(seconds=_seconds(plan, client))


def _training(plan: Plan, client: str, number: int, now: datetime) -> Behaviour:
    devices = plan.devices
    this_round = f"{client}/{number}"
    uploads = _stream(plan, "upload", this_round)
    attempts = (uploads.random() for _ in range(devices.upload_attempts))
    late = _stream(plan, "lateness", this_round).random() < devices.lateness
    return Behaviour(
        available=_in_window(plan, client, now),
        drops_out=_stream(plan, "dropout", this_round).random() < devices.dropout,
        seconds=_seconds(plan, client),
        upload_failures=sum(1 for _ in takewhile(lambda draw: draw < devices.upload_failure, attempts)),
        late_seconds=devices.lateness_seconds if late else 0.0,
    )


def _seconds(plan: Plan, client: str) -> float:
    spread = plan.devices.speed_spread
    # exp(N(−σ²/2, σ²)) has the mean 1.
    return plan.devices.mean_seconds * _stream(plan, "speed", client).lognormvariate(-(spread**2) / 2, spread)


def _in_window(plan: Plan, client: str, now: datetime) -> bool:
    period = plan.devices.availability_period_seconds
    phase = _stream(plan, "phase", client).random() * period
    return (now.timestamp() + phase) % period < plan.devices.available_fraction * period


def _stream(plan: Plan, purpose: str, whose: str) -> random.Random:
    return random.Random(f"{plan.seed}/{purpose}/{whose}")


def _traced(plan: Plan, client: str, number: int) -> dict[str, Any]:
    """What the trace says of the client: for every training round, then for this one, which has the last word."""
    entries = [entry for entry in plan.devices.trace if entry.client == client]
    trains = RoundKind.of(number) is RoundKind.TRAINING
    every = [entry for entry in entries if entry.round is None and trains]
    this = [entry for entry in entries if entry.round == number]
    said: dict[str, Any] = {}
    for entry in every + this:
        said |= entry.model_dump(exclude={"client", "round"}, exclude_none=True)
    return said
