"""A masked round on which only control acts: what clients and aggregator do, a test records in the ledger itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from fedface_control.phases.phase import Snapshot
from fedface_core.domain.deposit import Deposit
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.round import Round, RoundPhase, open_round
from fedface_core.domain.run import Run, RunPhase
from fedface_core.domain.update import AcceptedUpdate
from support.control_rounds import MODEL, NOW, RUN, Control

COHORT = tuple(client_id(index) for index in range(32))
FIRST = COHORT[:16]
SECOND = COHORT[16:]


def masked_plan_of_32(against: str = "curious") -> Plan:
    """Two shards of 16 clients."""
    return Plan.model_validate(
        {
            "strategy": "gaussian-negatives",
            "model": {"centring": False},
            "data": {"dataset": "synthetic"},
            "split": {"clients": 32, "test": 2},
            "cohort": {"shard_size": 16},
            "secure_aggregation": {"against": against},
        }
    )


@dataclass
class MaskedControl:
    """Round 1 of a run with masks, in a phase."""

    phase: RoundPhase
    against: str = "curious"
    control: Control = field(default_factory=Control.empty)

    def __post_init__(self) -> None:
        """Store run and round."""
        plan = masked_plan_of_32(self.against)
        ledger = self.control.ledger
        ledger.create(Run(id=RUN, plan=plan, correlation_id="0" * 32, created_at=NOW))
        run = ledger.load(RUN).replace(phase=RunPhase.RUNNING, started_at=NOW, model_sha256=MODEL, base_round=0)
        opened = open_round(plan, RUN, 1, COHORT, MODEL, NOW).replace(phase=self.phase)
        ledger.save(run.in_round(1), "round_opened", opened=opened)

    @property
    def run(self) -> Run:
        return self.control.ledger.load(RUN)

    @property
    def round(self) -> Round:
        return self.control.ledger.load_round(RUN, 1)

    @property
    def snapshot(self) -> Snapshot:
        return Snapshot(self.run, self.round, self.control.ledger.tally(RUN, 1))

    def change(self, changed: Round) -> None:
        """Store the round anew."""
        self.control.ledger.save(self.run, "changed", changed=changed)

    def deposit(self, kind: Deposit, clients: Iterable[str]) -> None:
        """Record deposits of these clients."""
        for client in clients:
            assert self.control.ledger.record_deposit(RUN, 1, kind, client, "1" * 64).refused is None

    def accept(self, clients: Iterable[str]) -> None:
        """Accept an update of each of these clients. The round must be open."""
        for client in clients:
            update = AcceptedUpdate(sha256="2" * 64, size=1, images=1)
            assert self.control.ledger.accept(RUN, 1, client, update).refused is None

    def pass_the_deadline(self) -> None:
        """Set the clock right behind the deadline of the phase."""
        self.control.clock.set_to(self.round.deadline_at + timedelta(microseconds=1))
