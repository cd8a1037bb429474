"""What an operator asks of a run's current round: close it early, retry it with a fresh cohort, skip its evaluation."""

from __future__ import annotations

from fedface_control.close_round import close_round
from fedface_control.finish_round import abandon_round
from fedface_control.handle_fact import decide_again
from fedface_control.proceed import proceed
from fedface_control.prompt import publish_implied
from fedface_core.domain.errors import WrongPhaseError
from fedface_core.domain.facts import RoundReady
from fedface_core.domain.round import Round, RoundPhase
from fedface_core.domain.run import Run, asked_before, noted, require_allowed
from fedface_core.ports import Ports

_OPEN = (RoundPhase.OPEN,)
_UNFINISHED = (RoundPhase.OPEN, RoundPhase.AGGREGATING, RoundPhase.EVALUATING)


@decide_again
def close_round_early(ports: Ports, run_id: str, number: int, key: str | None = None) -> Run:
    """Close the open round with the updates accepted so far, which must be at least the minimum."""
    request = f"close round {number}"
    run = ports.ledger.load(run_id)
    if asked_before(run, key, request):
        return run
    current = _current(ports, run, number, "close round", _OPEN)
    accepted = ports.ledger.tally(run_id, number).accepted
    if accepted < current.minimum:
        raise WrongPhaseError(
            f"cannot close round {number} of {run_id}: {accepted} updates are accepted, fewer than the minimum "
            f"{current.minimum}; wait for more, or retry it with a fresh cohort"
        )
    ready = RoundReady(run_id=run_id, round=number, because="operator")
    proceed(ports, close_round(ports, noted(run, key, request), current, ready))
    return ports.ledger.load(run_id)


@decide_again
def retry_round(ports: Ports, run_id: str, number: int, key: str | None = None) -> Run:
    """Abandon the round, and draw a fresh cohort for a new one from the same model version."""
    request = f"retry round {number}"
    run = ports.ledger.load(run_id)
    if asked_before(run, key, request):
        return run
    current = _current(ports, run, number, "retry round", _UNFINISHED)
    if number == 0:
        raise WrongPhaseError(
            f"cannot retry round 0 of {run_id}: enrolment invites every client, so there is no fresh cohort; "
            "close it early, or cancel the run and clone it"
        )
    proceed(ports, abandon_round(ports, noted(run, key, request), current, "an operator retried it", by_operator=True))
    return ports.ledger.load(run_id)


@decide_again
def skip_evaluation(ports: Ports, run_id: str, number: int, key: str | None = None) -> Run:
    """Do not score the round's model version: finish at once where it is being scored, else as soon as it is aggregated."""
    request = f"skip evaluation {number}"
    run = ports.ledger.load(run_id)
    if asked_before(run, key, request):
        return run
    current = _current(ports, run, number, "skip evaluation", _UNFINISHED)
    skipping = current.model_copy(update={"skip_evaluation": True})
    run = ports.ledger.save(noted(run, key, request), "evaluation_skipped", changed=skipping)
    if current.phase is RoundPhase.EVALUATING:  # before that, what it asks of the other services is under way already
        publish_implied(ports, run, skipping, ports.ledger.tally(run_id, number))
    return ports.ledger.load(run_id)


def _current(ports: Ports, run: Run, number: int, action: str, phases: tuple[RoundPhase, ...]) -> Round:
    """The round that is meant, where the run's phase and its own allow the action; `WrongPhaseError` says what they are."""
    require_allowed(run, action)
    asked = ports.ledger.load_round(run.id, number)
    meanwhile = run.evaluating if action == "skip evaluation" else ()
    if asked.number not in (run.round, *meanwhile):
        raise WrongPhaseError(f"cannot {action} {number} of {run.id}: its current round is {run.round}")
    if asked.phase not in phases:
        raise WrongPhaseError(
            f"cannot {action} {number} of {run.id}: it is {asked.phase}; that takes a round that is {' or '.join(phases)}"
        )
    return asked
