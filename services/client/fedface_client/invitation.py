"""An invitation: what one client is asked for in one round."""

from __future__ import annotations

from dataclasses import dataclass

from fedface_core.domain.commands import EnrolClients, TrainClients
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import Round
from fedface_core.domain.round_kind import RoundKind


@dataclass(frozen=True)
class Invitation:
    """What one client is asked for in one round: an update of the model version that the round starts from.

    ``opened_round`` is the round as it was when the task began; only the ledger knows its present phase. The client trains
    by the run's ``plan``. Messages and logs about the client's work carry ``correlation_id``, which the task came with.
    """

    plan: Plan
    opened_round: Round
    client_id: str
    correlation_id: str

    @property
    def task(self) -> EnrolClients | TrainClients:
        """The command that brings this client its invitation."""
        run_id = self.opened_round.run_id
        device = self.plan.compute.device
        if self.opened_round.kind is RoundKind.ENROLMENT:
            return EnrolClients(run_id=run_id, clients=(self.client_id,), device=device)
        return TrainClients(run_id=run_id, round=self.opened_round.number, clients=(self.client_id,), device=device)


def is_combined(plan: Plan, opened_round: Round) -> bool:
    """Whether updates of the round are delivered together, as the sum of several clients. Enrolment delivers singly."""
    return plan.delivery == "combined" and opened_round.kind is RoundKind.TRAINING
