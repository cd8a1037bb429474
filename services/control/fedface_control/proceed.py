"""Taking the steps that a run's stored state implies: the one function that moves runs for facts, operators and the sweep.

A step either stores a change, after which the next step is looked for, or it publishes commands for the other services and
is the last one. Wherever control was killed, calling `proceed` on the stored run continues it (ADR 2).
"""

from __future__ import annotations

from typing import Final

from fedface_control.phases import aggregating, ended, evaluating, handing_on, masking, preparing
from fedface_control.phases import open as open_phase
from fedface_control.phases.phase import Snapshot, WaitingPhase
from fedface_control.publish import MayPublish, PendingWork, publish_always
from fedface_core.domain.round import ENDED_ROUND, RoundPhase
from fedface_core.domain.run import Run, RunPhase
from fedface_core.ports import Ports

WAITING_PHASES: Final[dict[RoundPhase, WaitingPhase]] = {
    RoundPhase.REGISTERING: masking,
    RoundPhase.SHARING: masking,
    RoundPhase.HANDING_ON: handing_on,
    RoundPhase.OPEN: open_phase,
    RoundPhase.UNMASKING: masking,
    RoundPhase.AGGREGATING: aggregating,
    RoundPhase.EVALUATING: evaluating,
}
"""The phases in which a round waits for another service. A suspended round waits for its operator, so it is not here."""


def proceed(ports: Ports, run: Run, may_publish: MayPublish = publish_always) -> None:
    """Take every step that the run's stored state implies. `StaleVersionError` if another process changes the run meanwhile.

    ``may_publish`` decides about the commands of the phase in which ``run`` is now. Commands of a phase that a step has just
    begun are always published.
    """
    changed = _step(ports, run, may_publish)
    while changed is not None:
        changed = _step(ports, changed, publish_always)


def _step(ports: Ports, run: Run, may_publish: MayPublish) -> Run | None:
    """Store one change and return the run as stored; or publish the phase's commands, if allowed, and return None."""
    if run.phase not in (RunPhase.PREPARING, RunPhase.RUNNING, RunPhase.PAUSING):
        return None
    if run.round is None:
        return _prepare(ports, run, may_publish)
    current = ports.ledger.load_round(run.id, run.round)
    snapshot = Snapshot(run, current, ports.ledger.tally(run.id, current.number))
    if current.phase in ENDED_ROUND:
        return ended.next_step(ports, snapshot)
    phase = WAITING_PHASES.get(current.phase)
    if phase is None:
        return None
    changed = phase.next_step(ports, snapshot)
    queue = phase.work_queue(run.plan, current)
    if changed is None and may_publish(PendingWork(current.phase, queue, snapshot.tally.last_activity)):
        phase.publish(ports, snapshot)
    return changed


def _prepare(ports: Ports, run: Run, may_publish: MayPublish) -> Run | None:
    changed = preparing.next_step(ports, run)
    if changed is None and may_publish(PendingWork("preparing", preparing.work_queue(run), preparing.requested_at(run))):
        preparing.request_again(ports, run)
    return changed
