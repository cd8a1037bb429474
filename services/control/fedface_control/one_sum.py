"""No two sums of one basis: a client whose masked update may have been unmasked in a sum makes no other one from that model.

A round that is retried starts from the same model version, and its updates may be the same vectors. Two sums of them over
sets that differ by one client would show the update of that client (ADR 41).
"""

from __future__ import annotations

from collections.abc import Sequence

from fedface_control.accepted_sets import accepted_to_unmask
from fedface_control.records import enrolled_clients
from fedface_core.domain.plan.secure_aggregation import LEAST_SHARD
from fedface_core.domain.run import Run
from fedface_core.ports import Ports


def clients_left(ports: Ports, run: Run) -> Sequence[str]:
    """The enrolled clients that may be invited from the run's newest model version, in client order.

    Without masks all of them. Those are left out whose shard was asked to sign or to reveal, in a round from this model
    version that did not finish: shares may still arrive, whether its sum came out or not.
    """
    enrolled = enrolled_clients(ports, run)
    if run.plan.secure_aggregation is None:
        return enrolled
    spent = _asked_to_unmask(ports, run)
    return [client for client in enrolled if client not in spent]


def why_too_few(run: Run, left: Sequence[str]) -> str | None:
    """Why no round of the clients that are ``left`` can be opened; None if one can."""
    masks = run.plan.secure_aggregation
    least = max(LEAST_SHARD, run.plan.cohort.minimum_for(run.plan.split.clients))
    if masks is None or len(left) >= least:
        return None
    return (
        f"{len(left)} clients can be invited, fewer than the {least} of a masked round: others are not enrolled, or were "
        "asked to unmask a sum of updates from this model version, and a second sum could show single updates"
    )


def _asked_to_unmask(ports: Ports, run: Run) -> frozenset[str]:
    """The clients that were asked to sign or to reveal in a round that started from the run's newest model version."""
    assert run.base_round is not None, "enrolment has ended"
    assert run.round is not None, "enrolment came first"
    asked: set[str] = set()
    for number in range(run.base_round + 1, run.round + 1):
        current = ports.ledger.load_round(run.id, number)
        if current.closed_at is not None:
            asked.update(*accepted_to_unmask(ports, run, current).values())
    return frozenset(asked)
