"""A run with masks, or without, whose phases a test goes through by hand: in each it says which clients answer."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from fedface_aggregator.fold import fold_shard
from fedface_aggregator.hand_on import hand_on_shares
from fedface_aggregator.prepare import prepare_model
from fedface_aggregator.reduce import reduce_round
from fedface_client.carry_out_task import carry_out_task
from fedface_client.deposits import make_deposits
from fedface_client.list_identities import list_identities
from fedface_core.adapters.memory import ManualClock, MemoryArtifacts, MemoryLedger, RecordingPublisher
from fedface_core.contracts import object_keys
from fedface_core.domain.commands import (
    ClientsOfRound,
    EnrolClients,
    FoldShard,
    HandleFact,
    HandOnShares,
    ListIdentities,
    PrepareModel,
    ReduceRound,
    RegisterDevices,
    RevealShares,
    ShareKeys,
    SignAcceptedSet,
    TrainClients,
)
from fedface_core.domain.facts import IdentitiesListed, ModelPrepared, RoundAggregated, SharesHandedOn
from fedface_core.domain.ids import client_id, new_run_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.residuals import residuals_after
from fedface_core.domain.round import Round, RoundPhase, ShardRoster, open_round
from fedface_core.domain.run import Run
from fedface_core.domain.update import accepted_digest
from fedface_core.ports import Ports
from fedface_core.secure_aggregation.accepted_set import AcceptedSet
from fedface_learning.aggregation import PARTIALS, Partial
from fedface_learning.data import ANYWHERE
from fedface_worker.workbench import Workbench
from support.signing import SignedForItsRun
from support.small_networks import TINY

HOUR = timedelta(hours=1)
SHARD = 0
MASKS = {"corrupt": 0.1, "dropout": 0.3, "minimum": 4}
"""With these, sixteen clients can be masked."""
WITHOUT_DEADLINES = {"sharing_deadline_seconds": 1e6, "unmasking_deadline_seconds": 1e6}
"""Of the phases of masks: nobody is late, whatever is killed."""


def small_masked_plan(clients: int = 16, **changes: Any) -> Plan:
    """A plan of one shard with rendered faces. Without ``secure_aggregation`` in ``changes``, it has no masks."""
    return Plan.model_validate(
        {
            "model": TINY,
            "data": {"dataset": "synthetic", "images_per_identity": 2},
            "split": {"clients": clients, "test": 2},
            "cohort": {"shard_size": clients, "minimum": 1, "attempts": 3},
            "strategy": "gaussian-negatives",
            "local_training": {"steps": 2, "learning_rate": 0.05},
            "rounds": 2,
        }
        | changes
    )


class MaskedRun:
    """A run of one shard, its services, and what they keep. Control is the test."""

    def __init__(self, plan: Plan, run_id: str | None = None) -> None:
        self.plan = plan
        self.clock = ManualClock()
        self.ledger = MemoryLedger(self.clock)
        self.store = MemoryArtifacts(self.clock)
        signed = SignedForItsRun(self.store, self.ledger)
        self.publisher = RecordingPublisher()
        self.ports = Ports(self.ledger, signed, self.publisher, self.clock, signed)
        self.restart()
        correlation_id = uuid.UUID(int=1).hex
        self.run = Run(id=run_id or new_run_id(), plan=plan, correlation_id=correlation_id, created_at=self.clock.now())
        self.ledger.create(self.run)
        self.do(ListIdentities)
        self.do(PrepareModel)
        self.identities = self.fact(IdentitiesListed).identity_list_sha256
        self.model = self.fact(ModelPrepared).model_sha256
        self.base: Round | None = None

    def restart(self) -> None:
        """Replace the services by new processes, which have nothing in memory."""
        client, aggregator = (Workbench(self.ports, roots=ANYWHERE) for _ in range(2))
        self._handlers: dict[type[Any], tuple[Any, Workbench]] = {
            **dict.fromkeys((RegisterDevices, ShareKeys, SignAcceptedSet, RevealShares), (make_deposits, client)),
            **dict.fromkeys((EnrolClients, TrainClients), (carry_out_task, client)),
            ListIdentities: (list_identities, client),
            PrepareModel: (prepare_model, aggregator),
            HandOnShares: (hand_on_shares, aggregator),
            FoldShard: (fold_shard, aggregator),
            ReduceRound: (reduce_round, aggregator),
        }

    def do(self, command: type[Any], **fields: Any) -> None:
        """Have a service carry out a command of the run."""
        handler, workbench = self._handlers[command]
        handler(workbench, command(run_id=self.run.id, **fields), self.run.correlation_id)

    def ask(self, command: type[ClientsOfRound], clients: Iterable[str]) -> None:
        """Have clients make their deposits."""
        if asked := tuple(sorted(clients)):
            self.do(command, round=self.current.number, clients=asked)

    def fact(self, kind: type[Any]) -> Any:
        """The newest fact of this kind that was reported to control."""
        facts = [command.fact for command in self.publisher.commands if isinstance(command, HandleFact)]
        return [fact for fact in facts if isinstance(fact, kind)][-1]

    def open(self, number: int) -> None:
        """Open a round for all clients, which starts from the round before."""
        cohort = tuple(map(client_id, range(self.plan.split.clients)))
        residuals = {}
        if self.base is not None:
            accepted = self.ledger.accepted(self.run.id, self.base.number)
            residuals = residuals_after(self.base, accepted, of_enrolment=True)
            cohort = tuple(sorted(residuals))
        self.current = open_round(
            self.plan,
            self.run.id,
            number,
            cohort,
            self.model,
            self.clock.now(),
            identity_list_sha256=self.identities,
            base=self.base,
            residuals=residuals,
        )
        self.current = self.current.replace(deadline_at=self.clock.now() + HOUR)
        self.run = self.ledger.save(self.run, "round_opened", opened=self.current)

    def come_to(self, phase: RoundPhase) -> None:
        """Move the round to a phase."""
        self.current = self.current.model_copy(update={"phase": phase})
        self.run = self.ledger.save(self.run, "phase", changed=self.current)

    def share(self, clients: Iterable[str]) -> None:
        """Have devices register, all of the cohort, and these clients share keys."""
        if self.current.phase is RoundPhase.REGISTERING:
            self.ask(RegisterDevices, self.current.cohort)
            self.come_to(RoundPhase.SHARING)
        self.ask(ShareKeys, clients)

    def hand_on(self) -> SharesHandedOn:
        """Have the roster fixed, and the round opened for updates."""
        self.come_to(RoundPhase.HANDING_ON)
        self.do(HandOnShares, round=self.current.number, shard=SHARD)
        fact: SharesHandedOn = self.fact(SharesHandedOn)
        roster = ShardRoster(shard_round=fact.shard_round, roster=fact.roster)
        self.current = self.current.with_rosters({SHARD: roster})
        self.come_to(RoundPhase.OPEN)
        return fact

    def make_updates(self, clients: Iterable[str]) -> None:
        """Have clients enrol or train, and deliver."""
        for client in sorted(clients):  # each by a task of its own: a task stops after a second
            if self.current.number:
                self.do(TrainClients, round=self.current.number, clients=(client,))
            else:
                self.do(EnrolClients, clients=(client,))

    def close(self) -> AcceptedSet:
        """Put the accepted set, as control does, and have it unmasked."""
        accepted = self.ledger.accepted(self.run.id, self.current.number)
        assert self.current.masks is not None
        roster = self.current.masks.rosters[SHARD]
        assert roster is not None
        updates = {client: update.sha256 for client, update in accepted.items()}
        closed = AcceptedSet(shard_round=roster.shard_round, roster=roster.roster, updates=updates)
        key = object_keys.accepted_set(self.run.id, self.current.number, SHARD, roster.shard_round)
        self.ports.artifacts.put_once(key, closed.model_dump_json().encode())
        self.come_to(RoundPhase.UNMASKING)
        return closed

    def reveal(self, clients: Iterable[str]) -> None:
        """Have clients sign, and then reveal."""
        asked = sorted(clients)
        if self.plan.secure_aggregation is not None and self.plan.secure_aggregation.against == "lying":
            self.ask(SignAcceptedSet, asked)
        self.ask(RevealShares, asked)

    def fold(self) -> Partial:
        """The shard's partial."""
        self.come_to(RoundPhase.AGGREGATING)
        self.do(FoldShard, round=self.current.number, shard=SHARD)
        accepted = self.ledger.accepted(self.run.id, self.current.number)
        key = object_keys.partial(self.run.id, self.current.number, SHARD, accepted_digest(accepted))
        return PARTIALS[self.current.kind].read(io.BytesIO(self.ports.artifacts.get(key)))

    def reduce(self) -> RoundAggregated:
        """The result of the round, which the next one starts from."""
        self.do(ReduceRound, round=self.current.number)
        fact: RoundAggregated = self.fact(RoundAggregated)
        self.base = self.current.model_copy(update={"phase": RoundPhase.FINISHED, "aggregation": fact.aggregation})
        self.run = self.ledger.save(self.run, "round_finished", changed=self.base)
        self.model = fact.aggregation.model_sha256
        return fact

    def whole_round(self, number: int) -> Partial:
        """A round in which everybody takes part; its result is the next one's base."""
        self.open(number)
        if self.plan.secure_aggregation is not None:
            self.share(self.current.cohort)
            self.hand_on()
            self.make_updates(self.current.cohort)
            self.close()
            self.reveal(self.current.cohort)
        else:
            self.make_updates(self.current.cohort)
        partial = self.fold()
        self.reduce()
        return partial
