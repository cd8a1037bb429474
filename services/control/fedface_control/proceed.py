"""What a run's stored state asks for next: the one path by which runs move, for facts, for operators and for the sweep.

Each step either stores a change, after which the next one is looked for, or publishes what the other services are to do
and ends. So wherever control was killed, the same function takes up the run from what is stored.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from fedface_control.close_round import close_round
from fedface_control.end_run import complete
from fedface_control.finish_round import abandon_round
from fedface_control.open_round import open_round_zero, open_training_round
from fedface_control.prompt import ask_for_model_again, publish_implied
from fedface_control.records import store
from fedface_control.retention import drop_old_updates, drop_old_updates_meanwhile
from fedface_core.contracts.tasks import AGGREGATOR, CLIENT, CONTROL, EVALUATOR
from fedface_core.domain import run as runs
from fedface_core.domain.round import ENDED_ROUND, Round, RoundPhase, ready_to_close
from fedface_core.domain.run import Run, RunPhase
from fedface_core.domain.stopping import reason_to_stop
from fedface_core.ports import Ports

# May the commands of this phase, which this queue takes, be published, when something last happened at this moment?
MayPublish = Callable[[str, str, datetime], bool]


def at_once(_phase: str, _queue: str, _since: datetime) -> bool:
    """They were never published: the state that implies them is new."""
    return True


def only_store(_phase: str, _queue: str, _since: datetime) -> bool:
    """They are under way: only changes of state are looked for."""
    return False


def proceed(ports: Ports, run: Run, may_publish: MayPublish = at_once) -> None:
    """Take every step that the run's stored state implies. ``may_publish`` speaks of the state as it is now."""
    moved = _step(ports, run, may_publish)
    while moved is not None:
        moved = _step(ports, moved, at_once)


def _step(ports: Ports, run: Run, may_publish: MayPublish) -> Run | None:
    """One change of the stored state, or None after publishing what it implies."""
    if run.phase not in (RunPhase.PREPARING, RunPhase.RUNNING, RunPhase.PAUSING):
        return None
    if run.model_sha256 is None:
        assert run.prompted_at is not None, "set when the run started"
        if may_publish("preparing", AGGREGATOR, run.prompted_at):
            ask_for_model_again(ports, run)
        return None
    if run.round is None:
        return _pause_here(ports, run) or open_round_zero(ports, run)
    current = ports.ledger.load_round(run.id, run.round)
    if current.phase in ENDED_ROUND:
        return _after_a_round(ports, run, current)
    return _within_a_round(ports, run, current, may_publish)


def _within_a_round(ports: Ports, run: Run, current: Round, may_publish: MayPublish) -> Run | None:
    tally = ports.ledger.tally(run.id, current.number)
    ready = ready_to_close(current, tally, ports.clock.now())
    if ready is not None:
        return close_round(ports, run, current, ready)
    # Only now that the round is closed is it known who is in it.
    if current.phase is RoundPhase.AGGREGATING and tally.accepted < current.minimum:
        because = f"{tally.accepted} updates were accepted, fewer than the minimum {current.minimum}"
        return abandon_round(ports, run, current, because)
    if current.phase is RoundPhase.EVALUATING and _next_may_begin(ports, run, current):
        return _begin_next_meanwhile(ports, run, current)
    if may_publish(current.phase, _who_works_on(current), tally.last_activity):
        publish_implied(ports, run, current, tally)
        if current.phase is RoundPhase.OPEN:  # now that the clients are at work, nobody waits for us
            drop_old_updates_meanwhile(ports, run, needed=current.carried.values())
    return None


def _next_may_begin(ports: Ports, run: Run, aggregated: Round) -> bool:
    """Asynchronously, the next round does not wait for the evaluation, unless this was the last or a pause is asked for."""
    if not run.plan.aggregation.waits_for_nobody or run.phase is RunPhase.PAUSING:
        return False
    return _reason_to_stop(ports, run, runs.trained_rounds(run, aggregated.number)) is None


def _begin_next_meanwhile(ports: Ports, run: Run, aggregated: Round) -> Run:
    assert aggregated.aggregation is not None, "what is evaluated was aggregated"
    run = runs.evaluate_meanwhile(run, aggregated.number, aggregated.aggregation.model_sha256)
    run = open_training_round(ports, run)
    publish_implied(ports, run, aggregated, ports.ledger.tally(run.id, aggregated.number))
    return run


def repeat_evaluations(ports: Ports, run: Run, may_publish: MayPublish) -> None:
    """Have earlier rounds scored whose evaluation the run did not wait for."""
    for number in run.evaluating:
        waiting, tally = ports.ledger.load_round(run.id, number), ports.ledger.tally(run.id, number)
        if may_publish(waiting.phase, _who_works_on(waiting), tally.last_activity):
            publish_implied(ports, run, waiting, tally)


def _after_a_round(ports: Ports, run: Run, ended: Round) -> Run | None:
    """The end of the run, its pause, or the next round."""
    if run.evaluating:
        return None  # the scores of earlier rounds are still to come
    because = _reason_to_stop(ports, run, run.finished_rounds)
    if because is not None:
        complete(ports, drop_old_updates(ports, run, ended=ended.number), because)
        return None
    return _pause_here(ports, run) or open_training_round(ports, run)


def _reason_to_stop(ports: Ports, run: Run, trained: int) -> str | None:
    looks_at_scores = run.plan.stop.far is not None
    rounds = [glance.round for glance in ports.ledger.glances(run.id)] if looks_at_scores else []
    scored = [done.scores for done in rounds if done.scores]
    active = run.active_seconds(ports.clock.now())
    return reason_to_stop(run.plan.stop, trained, run.plan.rounds, scored, active)


def _pause_here(ports: Ports, run: Run) -> Run | None:
    """The paused run, where its operator waits for nothing to be in flight."""
    if run.phase is not RunPhase.PAUSING:
        return None
    return store(ports, runs.paused(run, ports.clock.now()), "run_paused")


def _who_works_on(current: Round) -> str:
    if current.phase is RoundPhase.EVALUATING:
        return CONTROL if current.skip_evaluation else EVALUATOR
    return AGGREGATOR if current.phase is RoundPhase.AGGREGATING else CLIENT
