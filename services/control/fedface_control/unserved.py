"""Says which of a run's work no worker would take: then the run waits, however long, until one is started."""

from __future__ import annotations

from collections.abc import Iterator

from fedface_control.phases import preparing
from fedface_control.proceed import WAITING_PHASES
from fedface_core.contracts.tasks import CONTROL, EVALUATOR, ON_DEVICES, device_queue
from fedface_core.domain.round import RoundState
from fedface_core.domain.run import Run, RunPhase
from fedface_core.ports import Ports


def why_it_waits(ports: Ports, run: Run) -> str | None:
    """Why nobody does what the run waits for now, in words for its operator; None if somebody can.

    Workers say every few seconds that they are there, so the answer is right within seconds.
    """
    if run.phase not in (RunPhase.PREPARING, RunPhase.RUNNING, RunPhase.PAUSING):
        return None
    lacking = [queue for queue in _awaited_queues(ports, run) if not ports.publisher.workers(queue)]
    if not lacking:
        return None
    return "; ".join(_complaint(run, queue) for queue in lacking)


def _awaited_queues(ports: Ports, run: Run) -> Iterator[str]:
    """The queues from which somebody has to take for the run to go on."""
    if run.round is None:
        yield preparing.work_queue(run)
        device = run.plan.compute.device
        # Said before enrolment needs them: a plan for a device that nobody has would else be prepared first.
        yield from (queue for service in ON_DEVICES if (queue := device_queue(service, device)) != preparing.work_queue(run))
        return
    current: RoundState = ports.ledger.round_summary(run.id, run.round).round
    phase = WAITING_PHASES.get(current.phase)
    if phase is None:
        return
    queue = phase.work_queue(run.plan, current)
    if queue != CONTROL:
        yield queue


def _complaint(run: Run, queue: str) -> str:
    service = queue.split("-")[0]
    device = run.plan.compute.device
    if service not in ON_DEVICES:
        return f"no worker takes tasks of the {service}: start one"
    kind = "an evaluator" if service == EVALUATOR else "a client worker"
    remedy = f"start {kind} with FEDFACE_DEVICE={device}"
    if device == "cpu":
        return f"no {kind.split(' ', 1)[1]} computes on the CPU: {remedy}"
    return (
        f"no {kind.split(' ', 1)[1]} has the plan's compute.device, {device!r}: {remedy}, or clone the run with compute null"
    )
