"""What a run's stored state asks for next: the one path by which runs move, for facts, for operators and for the sweep.

Each step either stores a change, after which the next one is looked for, or publishes what the other services are to do, and
ends. So wherever control was killed, the same function takes up the run from what is stored.
"""

from __future__ import annotations

from typing import Final

from fedface_control.phases import aggregating, ended, evaluating, preparing
from fedface_control.phases import open as open_phase
from fedface_control.phases.phase import Standing, WaitingPhase
from fedface_control.publish import MayPublish, Waiting, publish_always
from fedface_core.contracts.tasks import AGGREGATOR
from fedface_core.domain.round import ENDED_ROUND, RoundPhase
from fedface_core.domain.run import Run, RunPhase
from fedface_core.ports import Ports

WAITING: Final[dict[RoundPhase, WaitingPhase]] = {
    RoundPhase.OPEN: open_phase,
    RoundPhase.AGGREGATING: aggregating,
    RoundPhase.EVALUATING: evaluating,
}
"""The phases in which a round waits for another service. A suspended round waits for its operator."""


def proceed(ports: Ports, run: Run, may_publish: MayPublish = publish_always) -> None:
    """Take every step that the run's stored state implies. ``may_publish`` speaks of the state as it is now."""
    moved = _step(ports, run, may_publish)
    while moved is not None:
        moved = _step(ports, moved, publish_always)


def _step(ports: Ports, run: Run, may_publish: MayPublish) -> Run | None:
    """One change of the stored state; or None after publishing what the state asks of the other services."""
    if run.phase not in (RunPhase.PREPARING, RunPhase.RUNNING, RunPhase.PAUSING):
        return None
    if run.round is None:
        return _prepare(ports, run, may_publish)
    current = ports.ledger.load_round(run.id, run.round)
    at = Standing(run, current, ports.ledger.tally(run.id, current.number))
    if current.phase in ENDED_ROUND:
        return ended.next_step(ports, at)
    phase = WAITING.get(current.phase)
    if phase is None:
        return None
    moved = phase.next_step(ports, at)
    if moved is None and may_publish(Waiting(current.phase, phase.waits_for(current), at.tally.last_activity)):
        phase.ask(ports, at)
    return moved


def _prepare(ports: Ports, run: Run, may_publish: MayPublish) -> Run | None:
    moved = preparing.next_step(ports, run)
    if moved is None and may_publish(Waiting("preparing", AGGREGATOR, preparing.asked_at(run))):
        preparing.ask_again(ports, run)
    return moved
