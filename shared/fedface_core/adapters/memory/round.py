"""One round of the ledger in memory: its record, and the state of its clients and shards."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from fedface_core.domain.deposit import Deposit, DepositReceipt
from fedface_core.domain.devices import Wait
from fedface_core.domain.failures import StepFailure, client_step
from fedface_core.domain.round import Round, RoundPhase, RoundState
from fedface_core.domain.round_phase import BEFORE_OPEN, PHASE_OF_DEPOSIT, WAITS_FOR_CLIENTS
from fedface_core.domain.update import AcceptedUpdate, Receipt, RefusalReason
from fedface_core.ports import EndedRound, RoundSummary


@dataclass
class MemoryRound:
    """A round with its cohort, and the state of its clients and shards."""

    record: Round
    shard_of: dict[str, int]
    """Client → shard, of the whole cohort."""
    unsettled: set[str]
    """Clients that were neither accepted nor failed."""
    last_activity: datetime
    accepted: dict[str, AcceptedUpdate] = field(default_factory=dict)
    """Client → its accepted update."""
    failed: dict[str, str] = field(default_factory=dict)
    """Client → the reason why it sent no update."""
    deposits: dict[Deposit, dict[str, str]] = field(default_factory=dict)
    """Kind of deposit → client → the SHA-256 of what it has deposited."""
    late: set[str] = field(default_factory=set)
    """Unsettled clients whose update came too late."""
    attempts: Counter[str] = field(default_factory=Counter)
    """Client → deliveries of its task."""
    waits: dict[tuple[str, Wait], datetime] = field(default_factory=dict)
    """Client and what it waits for → until when."""
    folded: set[int] = field(default_factory=set)
    """Shards whose partial is recorded."""
    failures: dict[str, StepFailure] = field(default_factory=dict)
    """Step → its failures."""

    @classmethod
    def opened(cls, record: Round) -> MemoryRound:
        """A round that has just been opened, so that its whole cohort is unsettled."""
        return cls(record, record.shard_of_each(), unsettled=set(record.cohort), last_activity=record.opened_at)

    @classmethod
    def ended(cls, ended: EndedRound) -> MemoryRound:
        """A round that has ended, restored from its manifest."""
        state = cls.opened(ended.record)
        state.accepted = dict(ended.accepted)
        state.failed = dict(ended.failed)
        state.unsettled -= state.accepted.keys() | state.failed.keys()
        return state

    def change_to(self, record: Round) -> None:
        """Replace the record by a changed one. A new phase begins without failures, and one that waits for clients without
        attempts.
        """
        if self.record.phase is not record.phase:
            self.failures.clear()
            if record.phase in WAITS_FOR_CLIENTS:
                self.attempts.clear()
        self.record = record

    def settle(self, client: str, now: datetime) -> None:
        """Record that the client has settled now."""
        self.unsettled.remove(client)
        self.late.discard(client)
        self.failures.pop(client_step(client), None)
        self.last_activity = now

    @property
    def summary(self) -> RoundSummary:
        """The round without its cohort, with the counts of its clients."""
        return RoundSummary(
            round=RoundState.model_construct(**{name: getattr(self.record, name) for name in RoundState.model_fields}),
            invited=len(self.record.cohort),
            accepted=len(self.accepted),
            failed=len(self.failed),
            unsettled=len(self.unsettled),
            late=len(self.late),
        )

    @property
    def accepted_shards(self) -> set[int]:
        """Shards with at least one accepted update."""
        return {self.shard_of[client] for client in self.accepted}

    def may_begin(self, client: str) -> bool:
        """Whether the client may begin what the round asks of it now."""
        awaited = self.accepted if self.record.phase is RoundPhase.UNMASKING else self.unsettled
        return self.record.phase in WAITS_FOR_CLIENTS and client in awaited

    def refusal(self, client: str, now: datetime, *, fails: bool = False) -> RefusalReason | None:
        """Why the client cannot settle now, accepted or, if it ``fails``, failed; None if it can."""
        if client not in self.shard_of:
            return RefusalReason.NOT_INVITED
        if client in self.accepted:
            return RefusalReason.DUPLICATE
        settles = self._takes(RoundPhase.OPEN, now) or (fails and self.record.takes in BEFORE_OPEN)
        return RefusalReason.LATE if not settles or client in self.failed else None

    def refusal_of_deposit(self, kind: Deposit, client: str, now: datetime) -> RefusalReason | None:
        """Why the client cannot make a deposit of this kind now; None if it can."""
        if client not in self.shard_of:
            return RefusalReason.NOT_INVITED
        if client in self.deposits.get(kind, ()):
            return RefusalReason.DUPLICATE
        phase = PHASE_OF_DEPOSIT[kind]
        awaited = self.accepted if phase is RoundPhase.UNMASKING else self.unsettled
        return None if self._takes(phase, now) and client in awaited else RefusalReason.LATE

    def deposit_receipt(self, kind: Deposit, client: str, refused: RefusalReason | None) -> DepositReceipt:
        """The answer to a client that has made a deposit of this kind, or whose deposit was ``refused``."""
        shard = self.shard_of.get(client)
        made = self.deposits.get(kind, {})
        return DepositReceipt(refused=refused, shard=shard, deposited=sum(self.shard_of[each] == shard for each in made))

    def _takes(self, phase: RoundPhase, now: datetime) -> bool:
        """Whether the round takes the answers of this phase now. A suspended round has no deadline: its run is paused."""
        in_time = self.record.phase is RoundPhase.SUSPENDED or now < self.record.deadline_at
        return self.record.takes is phase and in_time

    def receipt(self, client: str, refused: RefusalReason | None) -> Receipt:
        """The answer to a client that has settled or was ``refused``: its shard, and whether shard and round are ready."""
        shard = self.shard_of.get(client)
        return Receipt(
            refused=refused,
            shard=shard,
            shard_settled=shard is not None and self.unsettled.isdisjoint(self.record.shard_members(shard)),
            round_ready=shard is not None
            and self.record.phase is RoundPhase.OPEN
            and (len(self.accepted) >= self.record.quorum or not self.unsettled),
        )
