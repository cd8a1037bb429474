"""What an operator asks of a run's current round: close it early, retry it with a fresh cohort, skip its evaluation."""

from __future__ import annotations

from fedface_control.compare_and_set import decide_again
from fedface_control.halt import abandon_round
from fedface_control.phases import evaluating
from fedface_control.phases.open import close_round
from fedface_control.phases.phase import Standing
from fedface_control.proceed import proceed
from fedface_core.domain.errors import WrongPhaseError
from fedface_core.domain.round import Round, RoundPhase
from fedface_core.domain.round_kind import RoundKind
from fedface_core.domain.run import Run
from fedface_core.ports import Ports

_OPEN = (RoundPhase.OPEN,)
_UNFINISHED = (RoundPhase.OPEN, RoundPhase.AGGREGATING, RoundPhase.EVALUATING)


@decide_again
def close_round_early(ports: Ports, run_id: str, number: int, key: str | None = None) -> Run:
    """Close the open round with the updates accepted so far, which must be at least the minimum."""
    request = f"close round {number}"
    run = ports.ledger.load(run_id)
    if run.has_granted(key, request):
        return run
    current = _current(ports, run, number, "close round", _OPEN)
    accepted = ports.ledger.tally(run_id, number).accepted
    if accepted < current.minimum:
        raise WrongPhaseError(
            f"cannot close round {number} of {run_id}: {accepted} updates are accepted, fewer than the minimum "
            f"{current.minimum}; wait for more, or retry it with a fresh cohort"
        )
    proceed(ports, close_round(ports, run.with_request(key, request), current, because="operator"))
    return ports.ledger.load(run_id)


@decide_again
def retry_round(ports: Ports, run_id: str, number: int, key: str | None = None) -> Run:
    """Abandon the round, and draw a fresh cohort for a new one from the same model version."""
    request = f"retry round {number}"
    run = ports.ledger.load(run_id)
    if run.has_granted(key, request):
        return run
    current = _current(ports, run, number, "retry round", _UNFINISHED)
    if current.kind is RoundKind.ENROLMENT:
        raise WrongPhaseError(
            f"cannot retry round 0 of {run_id}: enrolment invites every client, so there is no fresh cohort; "
            "close it early, or cancel the run and clone it"
        )
    proceed(ports, abandon_round(ports, run.with_request(key, request), current, "an operator retried it", by_operator=True))
    return ports.ledger.load(run_id)


@decide_again
def skip_evaluation(ports: Ports, run_id: str, number: int, key: str | None = None) -> Run:
    """Do not score the round's model version: finish at once where it is being scored, else as soon as it is aggregated."""
    request = f"skip evaluation {number}"
    run = ports.ledger.load(run_id)
    if run.has_granted(key, request):
        return run
    current = _current(ports, run, number, "skip evaluation", _UNFINISHED)
    skipping = current.skipping_evaluation()
    run = ports.ledger.save(run.with_request(key, request), "evaluation_skipped", changed=skipping)
    if current.phase is RoundPhase.EVALUATING:  # before that, what it asks of the other services is under way already
        evaluating.ask(ports, Standing(run, skipping, ports.ledger.tally(run_id, number)))
    return ports.ledger.load(run_id)


def _current(ports: Ports, run: Run, number: int, action: str, phases: tuple[RoundPhase, ...]) -> Round:
    """The round that is meant, where the run's phase and its own allow the action; `WrongPhaseError` says what they are."""
    run.require_allowed(action)
    asked = ports.ledger.load_round(run.id, number)
    meanwhile = run.evaluating if action == "skip evaluation" else ()
    if asked.number not in (run.round, *meanwhile):
        raise WrongPhaseError(f"cannot {action} {number} of {run.id}: its current round is {run.round}")
    if asked.phase not in phases:
        raise WrongPhaseError(
            f"cannot {action} {number} of {run.id}: it is {asked.phase}; that takes a round that is {' or '.join(phases)}"
        )
    return asked
