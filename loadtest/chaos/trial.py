"""One run of the plan on its own stack, without faults or disturbed, from the stack's start to the run's snapshot."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from fedface_cli.api_client import ControlApi
from fedface_core.bootstrap import connect
from fedface_core.contracts.tasks import QUEUES
from fedface_core.domain.errors import FedFaceError, UnavailableError
from fedface_core.domain.plan import Plan
from fedface_core.domain.round_phase import WAITS_FOR_CLIENTS
from fedface_core.domain.run import RunPhase
from fedface_core.ports import Ports
from fedface_core.runtime.celery_app import create_celery
from fedface_core.runtime.settings import Settings
from fedface_stack.stack import LocalStack
from loadtest.chaos.adversary import Adversary, plan_faults
from loadtest.chaos.checks import Check, check_unchanged, check_wrong_clocks_noticed
from loadtest.chaos.leftovers import check_no_process_left, check_no_secret_logged, check_no_unfinished_file
from loadtest.chaos.messages import Messages
from loadtest.chaos.plan import MARK
from loadtest.chaos.progress import Progress, read_progress
from loadtest.chaos.services import Services
from loadtest.chaos.snapshot import RunSnapshot, read_snapshot
from loadtest.chaos.write_refusal import WriteRefusal

_DRAIN_SECONDS = 120.0
# Phase → the service whose log says why the phase does not end; control's log is always shown.
_WORKERS = {
    "preparing": "aggregator",
    **{str(phase): "client" for phase in WAITS_FOR_CLIENTS},
    "handing_on": "aggregator",
    "aggregating": "aggregator",
    "evaluating": "evaluator",
}


class ChaosError(FedFaceError):
    """The run did not complete."""

    title = "Chaos"


@dataclass(frozen=True)
class Trial:
    """A completed run: its snapshot, and the seconds from its start to its end."""

    snapshot: RunSnapshot
    seconds: float


@dataclass(frozen=True)
class DisturbedTrial(Trial):
    """A completed run that was disturbed, its adversary, and the checks that need no other run."""

    adversary: Adversary
    checks: list[Check]


def run_fault_free(stack: LocalStack, plan: Plan, limit_seconds: float) -> Trial:
    """Start the stack, run the plan, stop the stack. `ChaosError` if the run does not complete in time."""
    with stack:
        ports = connect_ports(stack)
        run_id = start_run_of(stack, plan)
        started = time.monotonic()

        def read() -> Progress:
            stack.check()
            return read_progress(ports.ledger, run_id)

        _follow(stack, read, lambda _: time.sleep(0.1), limit_seconds)
        seconds = time.monotonic() - started
        snapshot = _read_completed(ports, run_id)
        _kill_store(stack)
        return Trial(snapshot, seconds)


def run_disturbed(
    stack: LocalStack, plan: Plan, limit_seconds: float, kills: int, seed: int, on_step: Callable[[Adversary], None]
) -> DisturbedTrial:
    """Start the stack, run the plan while an adversary disturbs it, let late messages be handled, stop the stack.

    ``on_step`` is called after each step of the adversary. `ChaosError` if the run does not complete in time.
    """
    draws = random.Random(seed)
    with stack:
        ports = connect_ports(stack)
        services = Services(stack, draws)
        messages = Messages(stack.environment["FEDFACE_REDIS_URL"], draws)
        faults = plan_faults(draws, plan.rounds, kills, with_store="s3" in stack.processes)
        refusal = WriteRefusal(stack.environment["FEDFACE_REDIS_URL"], draws)
        adversary = Adversary(services, messages, faults, plan.rounds, draws, refusal)
        run_id = start_run_of(stack, plan)
        started = time.monotonic()

        def read() -> Progress | None:
            try:
                return read_progress(ports.ledger, run_id) if "valkey" in services.running else None
            except UnavailableError:
                return None

        def disturb(progress: Progress | None) -> None:
            adversary.step(progress)
            on_step(adversary)
            time.sleep(draws.uniform(0.02, 0.15))

        _follow(stack, read, disturb, limit_seconds)
        seconds = time.monotonic() - started
        adversary.stop()
        at_end = _read_completed(ports, run_id)
        _wait_for_empty_queues(ports)
        snapshot = read_snapshot(ports.ledger, ports.artifacts, run_id)
        _kill_store(stack)
    checks = [
        check_unchanged(at_end, snapshot),
        check_no_process_left(MARK, stack.environment[MARK], services.groups),
        check_no_unfinished_file(stack.workdir / "artifacts"),
        check_wrong_clocks_noticed(stack.logs, adversary.injected),
        check_no_secret_logged(stack.logs, _secrets(stack)),
    ]
    return DisturbedTrial(snapshot, seconds, adversary, checks)


def connect_ports(stack: LocalStack) -> Ports:
    """The stack's own ledger, store and broker, for one who signs nothing."""
    values = {name.removeprefix("FEDFACE_").lower(): value for name, value in stack.environment.items()}
    # Without it a key of whoever starts this would count, which the stack does not trust.
    settings = Settings.model_validate(values | {"signing_key_file": None})
    return connect(settings, create_celery(settings))


def _kill_store(stack: LocalStack) -> None:
    """Kill the S3 server: nobody reads its files any more, and shutting down takes it 15 s."""
    if "s3" in stack.processes:
        stack.kill("s3")


def _secrets(stack: LocalStack) -> list[str]:
    broker = urlsplit(stack.environment["FEDFACE_REDIS_URL"]).password
    return [secret for secret in (broker, stack.environment.get("FEDFACE_S3_SECRET_KEY")) if secret]


def start_run_of(stack: LocalStack, plan: Plan) -> str:
    """Create and start a run of the plan on the stack. Its id."""
    with ControlApi(stack.api_url) as api:
        run_id = api.create(plan).id
        api.start(run_id)
    return run_id


def _follow(
    stack: LocalStack, read: Callable[[], Progress | None], act: Callable[[Progress | None], None], limit_seconds: float
) -> None:
    """Read the run's progress and act on it until the run has ended. `ChaosError` if that takes too long."""
    deadline = time.monotonic() + limit_seconds
    last: Progress | None = None
    while (progress := read()) is None or not progress.ended:
        last = progress or last
        if time.monotonic() > deadline:
            raise ChaosError(f"the run has not ended after {limit_seconds:.0f} s: {last}\n{_log_tails(stack, last)}")
        act(progress)


def _read_completed(ports: Ports, run_id: str) -> RunSnapshot:
    snapshot = read_snapshot(ports.ledger, ports.artifacts, run_id)
    if snapshot.run.phase is not RunPhase.COMPLETED:
        raise ChaosError(f"the run is {snapshot.run.phase}: {snapshot.run.failure}")
    return snapshot


def _wait_for_empty_queues(ports: Ports) -> None:
    """Return once the workers have taken all waiting messages and have had a second to handle the last ones."""
    deadline = time.monotonic() + _DRAIN_SECONDS
    while depths := {queue: depth for queue in QUEUES if (depth := ports.publisher.queue_depth(queue))}:
        if time.monotonic() > deadline:
            raise ChaosError(f"messages still wait {_DRAIN_SECONDS:.0f} s after the end of the run: {depths}")
        time.sleep(0.1)
    time.sleep(1.0)


def _log_tails(stack: LocalStack, last: Progress | None) -> str:
    names = ["sweep", *([_WORKERS[last.phase]] if last is not None and last.phase in _WORKERS else [])]
    return "\n".join(f"the end of {stack.logs / f'{name}.log'}:\n{stack.log_tail(name)}" for name in names)
