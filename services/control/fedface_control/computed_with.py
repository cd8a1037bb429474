"""Says what a round was computed with, for its manifest: device and precision by the plan, builds as the workers say them.

Control computes nothing, and no update says who made it. So the builds are those of the workers that take the tasks when the
round ends. They may be other ones than those that were there earlier in the round.
"""

from __future__ import annotations

from collections.abc import Iterator

import structlog

from fedface_core.contracts.manifest import MOST_BUILDS, Computed, WorkerBuild
from fedface_core.contracts.tasks import CLIENT, EVALUATOR, device_queue
from fedface_core.domain.errors import UnavailableError
from fedface_core.domain.plan.compute import ComputePlan
from fedface_core.domain.round import RoundState
from fedface_core.ports import Ports

log = structlog.get_logger(__name__)


def computed_with(ports: Ports, compute: ComputePlan, ended: RoundState) -> Computed:
    """What an ended round of a plan with this ``compute`` was computed with. What is unknown is None.

    A broker that does not answer keeps no round from its end: then the builds of the workers are unknown.
    """
    try:
        builds = set(_builds(ports, compute, ended))
    except UnavailableError as error:
        log.warning("builds_unknown", run_id=ended.run_id, round=ended.number, reason=str(error))
        builds = set()
    in_order = sorted(builds, key=lambda build: (build.service, build.torch or "", build.gpu or ""))
    return Computed(
        device=compute.device,
        precision=compute.precision,
        torch=ended.aggregation.torch if ended.aggregation else None,
        workers=tuple(in_order[:MOST_BUILDS]) or None,
        other_builds=len(in_order[MOST_BUILDS:]),
    )


def _builds(ports: Ports, compute: ComputePlan, ended: RoundState) -> Iterator[WorkerBuild]:
    for worker in ports.publisher.workers(device_queue(CLIENT, compute.device)):
        yield WorkerBuild(service="client", torch=worker.torch, gpu=worker.gpu)
    if ended.scores is None:
        return
    for worker in ports.publisher.workers(device_queue(EVALUATOR, compute.device)):
        yield WorkerBuild(service="evaluator", torch=worker.torch, gpu=worker.gpu)
