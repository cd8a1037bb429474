"""An invitation: what one client is asked for in one round."""

from __future__ import annotations

from dataclasses import dataclass

from fedface_core.domain.plan import Plan
from fedface_core.domain.round import Round


@dataclass(frozen=True)
class Invitation:
    """What one client is asked for in one round: an update of the model version that the round starts from.

    ``opened_round`` is the round as it was when it opened; only the ledger knows its present phase. The client trains by the
    run's ``plan``. Messages and logs about the client's work carry ``correlation_id``, which the task came with.
    """

    plan: Plan
    opened_round: Round
    client_id: str
    correlation_id: str
