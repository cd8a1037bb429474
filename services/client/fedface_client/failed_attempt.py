"""What an unexpected error at work for one client does to its count of attempts, and to what operators see of it."""

from __future__ import annotations

import structlog

from fedface_client.invitation import Invitation
from fedface_client.settle import ClientFailure, current_round, settle
from fedface_core.domain.failures import OUTLIVED, PROCESS_ENDED, client_step, is_final
from fedface_core.ports import Ports
from fedface_core.runtime.failing_steps import count_safely
from fedface_core.runtime.metrics import UPDATES
from fedface_worker.public_reasons import reason_of_client

log = structlog.get_logger(__name__)


def fail(ports: Ports, invitation: Invitation, reason: str) -> None:
    """Settle the invited client as failed, so that the round does not wait for it. The ``reason`` leaves the device."""
    log.warning("client_failed", reason=reason)
    if settle(ports, invitation, ClientFailure(reason)).counts:
        UPDATES.labels("failed", "client").inc()


def count_error(ports: Ports, invitation: Invitation, error: Exception, attempt: int | None) -> None:
    """Count an error that ended an attempt of the client, or kept it from being counted if ``attempt`` is None.

    If what the client needs was away, the attempt is taken back: waiting is no fault of the client. Any other error is
    recorded, so that operators see it. The client is settled as failed with its last attempt. No error is raised.
    """

    def count() -> None:
        number = current_round(ports, invitation)
        if number is None:
            return  # nobody awaits the client any more
        run_id = invitation.opened_round.run_id
        if isinstance(error, OUTLIVED):
            if attempt is not None:
                ports.ledger.take_back_attempt(run_id, number, invitation.client_id)
            return
        reason = reason_of_client(error, invitation.plan)
        failure = ports.ledger.record_failure(run_id, number, client_step(invitation.client_id), reason)
        attempts = invitation.plan.cohort.attempts
        if is_final(failure, attempts) if attempt is None else attempt >= attempts:
            fail(ports, invitation, _gave_up(failure.total if attempt is None else attempt, reason))

    count_safely(count)


def fail_after_last_attempt(ports: Ports, invitation: Invitation) -> None:
    """Settle the client as failed since it has used up the plan's attempts, with the newest error if any left one."""
    number = current_round(ports, invitation)
    failures = ports.ledger.failures(invitation.opened_round.run_id, number)
    step = client_step(invitation.client_id)
    reason = next((failure.reason for failure in failures if failure.step == step), PROCESS_ENDED)
    fail(ports, invitation, _gave_up(invitation.plan.cohort.attempts, reason))


def _gave_up(attempts: int, reason: str) -> str:
    return f"gave up after {attempts} attempts: {reason}"
