"""The actions of an operator on a round: close it early, retry it with a fresh cohort, skip its evaluation.

A request that comes again with its idempotency key changes nothing, and returns the run as it is now.
"""

from __future__ import annotations

from fedface_control.actor import by_actor, own_key
from fedface_control.compare_and_set import retry_if_stale
from fedface_control.halt import abandon_round
from fedface_control.one_sum import clients_left, why_too_few
from fedface_control.phases import evaluating
from fedface_control.phases.open import close_round
from fedface_control.phases.phase import Snapshot
from fedface_control.proceed import proceed
from fedface_core.domain.errors import WrongPhaseError
from fedface_core.domain.round import ENDED_ROUND, Round, RoundPhase
from fedface_core.domain.round_kind import RoundKind
from fedface_core.domain.round_phase import MASKED_PHASES
from fedface_core.domain.run import Run
from fedface_core.ports import Ports

_OPEN = (RoundPhase.OPEN,)
_UNFINISHED = tuple(phase for phase in RoundPhase if phase not in ENDED_ROUND | {RoundPhase.SUSPENDED})


@retry_if_stale
def close_round_early(ports: Ports, run_id: str, number: int, key: str | None = None) -> Run:
    """Close the open round with the updates accepted so far. Returns the run as stored.

    `NotFoundError` if there is no such round; `WrongPhaseError` if it is not the current round, not open, or has fewer
    updates than its minimum; `InvalidInputError` if the key was used for another request.
    """
    run, current = _load(ports, run_id, number, "close round", _OPEN, key)
    if current is None:
        return run
    accepted = ports.ledger.tally(run_id, number).accepted
    if accepted < current.minimum:
        raise WrongPhaseError(
            f"cannot close round {number} of {run_id}: {accepted} updates are accepted, fewer than the minimum "
            f"{current.minimum}; wait for more, or retry it with a fresh cohort"
        )
    proceed(ports, close_round(ports, run, current, because="operator", detail=by_actor()))
    return ports.ledger.load(run_id)


@retry_if_stale
def retry_round(ports: Ports, run_id: str, number: int, key: str | None = None) -> Run:
    """Abandon the round, and open another one with a fresh cohort from the same model version. Returns the run as stored.

    `NotFoundError` if there is no such round; `WrongPhaseError` if it is enrolment, not the current round, or has ended,
    or if its updates are masked and too few other clients are left; `InvalidInputError` if the key was used for another
    request.
    """
    run, current = _load(ports, run_id, number, "retry round", _UNFINISHED, key)
    if current is None:
        return run
    if current.kind is RoundKind.ENROLMENT:
        # Two masked runs whose enrolled clients differ by one would show that client's class embedding.
        instead = "close it early" if run.plan.secure_aggregation else "close it early, or cancel the run and clone it"
        raise WrongPhaseError(
            f"cannot retry round 0 of {run_id}: enrolment invites every client, so there is no fresh cohort; {instead}"
        )
    if run.plan.secure_aggregation and (because := why_too_few(run, clients_left(ports, run))):
        raise WrongPhaseError(f"cannot retry round {number} of {run_id}: {because}")
    proceed(ports, abandon_round(ports, run, current, "an operator retried it", by_operator=True, detail=by_actor()))
    return ports.ledger.load(run_id)


@retry_if_stale
def skip_evaluation(ports: Ports, run_id: str, number: int, key: str | None = None) -> Run:
    """Do not score the round's model version: the round finishes as soon as it is aggregated. Returns the run as stored.

    `NotFoundError` if there is no such round; `WrongPhaseError` if it has ended, or is neither the current round nor one
    whose scores are still to come; `InvalidInputError` if the key was used for another request.
    """
    run, current = _load(ports, run_id, number, "skip evaluation", _UNFINISHED, key)
    if current is None:
        return run
    skipping = current.skipping_evaluation()
    run = ports.ledger.save(run, "evaluation_skipped", changed=skipping, detail=by_actor())
    if current.phase is RoundPhase.EVALUATING:  # in an earlier phase, its commands are under way already
        evaluating.publish(ports, Snapshot(run, skipping, ports.ledger.tally(run_id, number)))
    return ports.ledger.load(run_id)


def _load(
    ports: Ports, run_id: str, number: int, action: str, phases: tuple[RoundPhase, ...], key: str | None
) -> tuple[Run, Round | None]:
    """The run, which remembers the request under its key, and the round.

    If the request was carried out before: the run as stored, and None. `WrongPhaseError` if the phase of the run or of the
    round does not allow the action.
    """
    request = f"{action} {number}"
    key = own_key(key)
    run = ports.ledger.load(run_id)
    if run.has_granted(key, request):
        return run, None
    run.require_allowed(action)
    current = ports.ledger.load_round(run_id, number)
    unscored = run.evaluating if action == "skip evaluation" else ()
    if number not in (run.round, *unscored):
        raise WrongPhaseError(f"cannot {action} {number} of {run_id}: its current round is {run.round}")
    if current.phase not in phases:
        possible = [phase for phase in phases if current.masks or phase not in MASKED_PHASES]
        raise WrongPhaseError(
            f"cannot {action} {number} of {run_id}: it is {current.phase}; that takes a round that is "
            f"{' or '.join(possible)}"
        )
    return run.with_request(key, request), current
