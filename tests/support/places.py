"""Brings runs and rounds into a phase, for tests of what is allowed in that phase."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from fedface_control.operate.run import cancel_run, create_run, delete_run, pause_run
from fedface_core.domain.commands import EvaluateModel, HandleFact
from fedface_core.domain.facts import RoundEvaluated, StepFailed
from fedface_core.domain.plan import Plan
from fedface_core.domain.results import Scores
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import Run, RunPhase
from fedface_learning.simulation.simulate import SimulationResult, simulate
from support.in_process import InProcess


@cache
def simulated(plan: Plan) -> SimulationResult:
    """The simulated result of a plan, computed once for all tests of the process."""
    return simulate(plan)


def in_round(services: InProcess, number: int, phase: RoundPhase = RoundPhase.OPEN) -> Callable[[Run], bool]:
    """A condition on a run: it is in round ``number``, and that round is in this phase."""
    return lambda run: run.round == number and services.ports.ledger.load_round(run.id, number).phase is phase


def run_in(services: InProcess, phase: RunPhase) -> str:
    """Create a run, bring it into this phase and return its id. Round 0 is open if the run has a round and has not ended."""
    ports = services.ports
    if phase is RunPhase.CREATED:
        return create_run(ports, services.plan).id
    if phase is RunPhase.COMPLETED:
        return services.run().id
    run_id = services.start()
    if phase is RunPhase.PREPARING:
        return run_id
    services.until(run_id, in_round(services, 0))
    match phase:
        case RunPhase.PAUSING:
            pause_run(ports, run_id)
        case RunPhase.PAUSED:
            pause_run(ports, run_id, now=True)
        case RunPhase.FAILED:
            fact = StepFailed(run_id=run_id, round=0, reason="no disk")
            services.deliver(HandleFact(run_id=run_id, fact=fact), "fails")
        case RunPhase.CANCELLED:
            cancel_run(ports, run_id)
        case RunPhase.DELETING:
            cancel_run(ports, run_id)
            delete_run(ports, run_id, run_id)
    assert ports.ledger.load(run_id).phase is phase
    return run_id


def round_in(services: InProcess, run_phase: RunPhase, phase: RoundPhase) -> str:
    """Create a run, bring it into ``run_phase`` (running or pausing) and its round 1 into ``phase``, and return its id.

    A run is between two rounds, with round 1 finished or abandoned, only if control was killed at that moment.
    """
    ledger = services.ports.ledger
    run_id = services.start()
    reached = phase if phase in (RoundPhase.OPEN, RoundPhase.AGGREGATING, RoundPhase.EVALUATING) else RoundPhase.OPEN
    services.until(run_id, in_round(services, 1, reached))
    current = ledger.load_round(run_id, 1)
    if phase is RoundPhase.FINISHED:
        current = current.model_copy(update={"phase": phase, "finished_at": services.clock.now()})
    elif phase is RoundPhase.ABANDONED:
        current = current.abandoned(services.clock.now(), "nobody answered")
    elif phase is RoundPhase.SUSPENDED:
        current = current.suspended(services.clock.now())
    run = ledger.load(run_id).model_copy(update={"phase": run_phase})
    ledger.save(run, "placed", changed=current)
    services.publisher.published.clear()
    return run_id


def score_as(services: InProcess, tar_of_round: Callable[[int], float]) -> None:
    """Have the evaluator of a started run report ``tar_of_round(number)`` as TAR at FAR 0.5 of each round."""

    def evaluate(command: EvaluateModel, correlation_id: str) -> None:
        current = services.ports.ledger.load_round(command.run_id, command.round)
        assert current.aggregation is not None
        scores = Scores(
            tar={"5e-1": tar_of_round(command.round)},
            auc=0.5,
            eer=0.5,
            genuine_pairs=1,
            impostor_pairs=1,
            mean_genuine_cosine=0.0,
            mean_impostor_cosine=0.0,
        )
        model_sha256 = current.aggregation.model_sha256
        fact = RoundEvaluated(run_id=command.run_id, round=command.round, model_sha256=model_sha256, scores=scores)
        services.publisher.publish(HandleFact(run_id=command.run_id, fact=fact), correlation_id=correlation_id)

    services.handlers[EvaluateModel] = evaluate
