"""One run of the plan on a stack of its own, in peace or under an adversary, from its start to what it leaves."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from fedface_cli.api_client import ControlApi
from fedface_core.bootstrap import connect
from fedface_core.contracts.tasks import QUEUES
from fedface_core.domain.errors import FedFaceError, UnavailableError
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import RunPhase
from fedface_core.ports import Ports
from fedface_core.runtime.celery_app import create_celery
from fedface_core.runtime.settings import Settings
from fedface_stack.stack import LocalStack
from loadtest.chaos.adversary import Adversary, draw_strikes
from loadtest.chaos.checks import Check, unmoved
from loadtest.chaos.leftovers import no_file_aside, no_process_left, no_secret_told
from loadtest.chaos.messages import Messages
from loadtest.chaos.outcome import Outcome, read_outcome
from loadtest.chaos.plan import MARK
from loadtest.chaos.progress import Progress, read_progress
from loadtest.chaos.services import Services

_DRAIN_SECONDS = 120.0
# Whose log says why a phase does not end; control's is shown beside it.
_WORKERS = {"preparing": "aggregator", "open": "client", "aggregating": "aggregator", "evaluating": "evaluator"}


class ChaosError(FedFaceError):
    """The run did not come to its end."""

    title = "Chaos"


@dataclass(frozen=True)
class Trial:
    """What a run left, how long it took, and, after a storm, who raised it and what it proved by itself."""

    outcome: Outcome
    seconds: float
    adversary: Adversary | None = None
    checks: list[Check] = field(default_factory=list)


def run_in_peace(stack: LocalStack, plan: Plan, limit_seconds: float) -> Trial:
    """Start the stack, run the plan, stop the stack."""
    with stack:
        ports = _ports(stack)
        run_id, started = _start(stack, plan), time.monotonic()

        def read() -> Progress:
            stack.check()
            return read_progress(ports.ledger, run_id)

        _watch(stack, read, lambda _: time.sleep(0.1), limit_seconds)
        seconds = time.monotonic() - started
        outcome = _completed(ports, run_id)
        _drop_store(stack)
        return Trial(outcome, seconds)


def run_in_a_storm(
    stack: LocalStack, plan: Plan, limit_seconds: float, kills: int, seed: int, tell: Callable[[Adversary], None]
) -> Trial:
    """The same under an adversary, who then makes peace; ``tell`` hears of it after each of its steps."""
    draw = random.Random(seed)
    with stack:
        ports = _ports(stack)
        services, messages = Services(stack, draw), Messages(stack.environment["FEDFACE_REDIS_URL"], draw)
        strikes = draw_strikes(draw, plan.rounds, kills, with_store="s3" in stack.processes)
        adversary = Adversary(services, messages, strikes, plan.rounds, draw)
        run_id, started = _start(stack, plan), time.monotonic()

        def read() -> Progress | None:
            try:
                return read_progress(ports.ledger, run_id) if "valkey" in services.running else None
            except UnavailableError:
                return None

        def strike(seen: Progress | None) -> None:
            adversary.step(seen)
            tell(adversary)
            time.sleep(draw.uniform(0.02, 0.15))

        _watch(stack, read, strike, limit_seconds)
        seconds = time.monotonic() - started
        adversary.cease()
        at_end = _completed(ports, run_id)
        _drain(ports)
        outcome = read_outcome(ports.ledger, ports.artifacts, run_id)
        _drop_store(stack)
    return Trial(
        outcome,
        seconds,
        adversary,
        [
            unmoved(at_end, outcome),
            no_process_left(MARK, stack.environment[MARK], services.groups),
            no_file_aside(stack.workdir / "artifacts"),
            no_secret_told(stack.logs, _secrets(stack)),
        ],
    )


def _ports(stack: LocalStack) -> Ports:
    """The stack's own ledger, store and broker."""
    given = {name.removeprefix("FEDFACE_").lower(): value for name, value in stack.environment.items()}
    settings = Settings.model_validate(given)
    return connect(settings, create_celery(settings))


def _drop_store(stack: LocalStack) -> None:
    """Nobody will read its files any more, and an S3 server takes 15 s to stop in good order."""
    if "s3" in stack.processes:
        stack.kill("s3")


def _secrets(stack: LocalStack) -> list[str]:
    broker = urlsplit(stack.environment["FEDFACE_REDIS_URL"]).password
    return [secret for secret in (broker, stack.environment.get("FEDFACE_S3_SECRET_KEY")) if secret]


def _start(stack: LocalStack, plan: Plan) -> str:
    with ControlApi(stack.api_url) as api:
        run_id = api.create(plan).id
        api.start(run_id)
    return run_id


def _watch(
    stack: LocalStack, read: Callable[[], Progress | None], act: Callable[[Progress | None], None], limit_seconds: float
) -> None:
    """Read the run's progress and act on it until the run has ended. `ChaosError` where that takes too long."""
    deadline = time.monotonic() + limit_seconds
    last: Progress | None = None
    while (seen := read()) is None or not seen.ended:
        last = seen or last
        if time.monotonic() > deadline:
            raise ChaosError(f"the run has not ended after {limit_seconds:.0f} s: {last}\n{_tails(stack, last)}")
        act(seen)


def _completed(ports: Ports, run_id: str) -> Outcome:
    outcome = read_outcome(ports.ledger, ports.artifacts, run_id)
    if outcome.run.phase is not RunPhase.COMPLETED:
        raise ChaosError(f"the run is {outcome.run.phase}: {outcome.run.failure}")
    return outcome


def _drain(ports: Ports) -> None:
    """Let the workers have what is still waiting for them."""
    deadline = time.monotonic() + _DRAIN_SECONDS
    while depths := {queue: depth for queue in QUEUES if (depth := ports.publisher.queue_depth(queue))}:
        if time.monotonic() > deadline:
            raise ChaosError(f"messages still wait {_DRAIN_SECONDS:.0f} s after the end of the run: {depths}")
        time.sleep(0.1)
    time.sleep(1.0)  # the last ones were taken from their queues, and are being handled


def _tails(stack: LocalStack, last: Progress | None) -> str:
    names = ["control", *([_WORKERS[last.phase]] if last is not None and last.phase in _WORKERS else [])]
    return "\n".join(f"the end of {stack.logs / f'{name}.log'}:\n{stack.log_tail(name)}" for name in names)
