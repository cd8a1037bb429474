"""The settlement of a round's clients in memory: attempts, accepted updates, failed clients, deposits and their counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from fedface_core.adapters.memory.runs import MemoryRuns
from fedface_core.domain.cohort import Participation
from fedface_core.domain.deposit import Deposit, DepositReceipt
from fedface_core.domain.devices import Wait
from fedface_core.domain.failures import client_step, shard_step
from fedface_core.domain.reasons import LONGEST_STORED_REASON
from fedface_core.domain.round import RoundPhase, Tally
from fedface_core.domain.round_kind import RoundKind
from fedface_core.domain.update import AcceptedUpdate, Receipt


class MemorySettlement(MemoryRuns):
    """`RoundSettlement` in memory."""

    def begin_attempt(self, run_id: str, number: int, client: str) -> int:
        """Count a delivery of the client's task in this round, and record activity."""
        with self._lock:
            state = self._state(run_id, number)
            if not state.may_begin(client):
                return 0
            state.attempts[client] += 1
            state.last_activity = self._clock.now()
            return state.attempts[client]

    def begin_attempts(self, run_id: str, number: int, clients: Sequence[str]) -> Sequence[int]:
        """Count a delivery of the tasks of several clients, up to one that had an attempt before."""
        counts: list[int] = []
        with self._lock:
            state = self._state(run_id, number)
            for client in clients:
                if any(counts) and state.attempts[client] > 0 and state.may_begin(client):
                    break
                counts.append(self.begin_attempt(run_id, number, client))
                if counts[-1] > 1:
                    break
        return counts

    def take_back_attempt(self, run_id: str, number: int, client: str) -> None:
        """Count one attempt of the client fewer, since what it needed was away."""
        with self._lock:
            attempts = self._state(run_id, number).attempts
            if attempts[client] > 0:
                attempts[client] -= 1

    def begin_wait(self, run_id: str, number: int, client: str, wait: Wait, seconds: float) -> float:
        """Have a client's simulated device wait, unless this wait has begun before. Returns the seconds that are left."""
        with self._lock:
            now = self._clock.now()
            due = self._state(run_id, number).waits.setdefault((client, wait), now + timedelta(seconds=seconds))
            return (due - now).total_seconds()

    def waits(self, run_id: str, number: int, client: str) -> Mapping[Wait, float]:
        """The waits of a client that have begun, and how many seconds are left."""
        with self._lock:
            now = self._clock.now()
            waits = self._state(run_id, number).waits
            return {wait: (due - now).total_seconds() for (whose, wait), due in waits.items() if whose == client}

    def accept(self, run_id: str, number: int, client: str, update: AcceptedUpdate) -> Receipt:
        """Record the update of an invited client that has not settled, in one atomic step."""
        return self.accept_all(run_id, number, {client: update})

    def accept_all(self, run_id: str, number: int, updates: Mapping[str, AcceptedUpdate]) -> Receipt:
        """Record the updates of several invited clients of one shard, in one atomic step: all of them, or none."""
        with self._lock:
            state = self._state(run_id, number)
            now = self._clock.now()
            for client in sorted(updates):
                if (refused := state.refusal(client, now)) is not None:
                    return state.receipt(client, refused)
            for client, update in updates.items():
                state.settle(client, now)
                state.accepted[client] = update
            return state.receipt(max(updates), None)

    def fail(self, run_id: str, number: int, client: str, reason: str) -> Receipt:
        """Record that an invited client that has not settled will send no update, and why, in one atomic step."""
        with self._lock:
            state = self._state(run_id, number)
            refused = state.refusal(client, self._clock.now(), fails=True)
            if refused is None:
                state.settle(client, self._clock.now())
                state.failed[client] = reason[:LONGEST_STORED_REASON]
            return state.receipt(client, refused)

    def record_deposit(self, run_id: str, number: int, kind: Deposit, client: str, sha256: str) -> DepositReceipt:
        """Record that a client has made a deposit, in one atomic step, and activity."""
        with self._lock:
            state = self._state(run_id, number)
            refused = state.refusal_of_deposit(kind, client, self._clock.now())
            if refused is None:
                state.deposits.setdefault(kind, {})[client] = sha256
                state.failures.pop(client_step(client), None)
                state.last_activity = self._clock.now()
            return state.deposit_receipt(kind, client, refused)

    def deposits(self, run_id: str, number: int, kind: Deposit, clients: Iterable[str] | None = None) -> Mapping[str, str]:
        """Client → the SHA-256 of its deposit of this kind, in client order: of all clients, or of those in ``clients``."""
        with self._lock:
            made = self._state(run_id, number).deposits.get(kind, {})
            wanted = made if clients is None else made.keys() & set(clients)
            return {client: made[client] for client in sorted(wanted)}

    def record_late(self, run_id: str, number: int, client: str) -> None:
        """Record that the update of an invited client came too late to count in the round."""
        with self._lock:
            state = self._state(run_id, number)
            if client in state.unsettled:
                state.late.add(client)

    def accepted(self, run_id: str, number: int, clients: Iterable[str] | None = None) -> Mapping[str, AcceptedUpdate]:
        """Client → its accepted update, in client order: of all clients, or of those in ``clients``."""
        with self._lock:
            accepted = self._state(run_id, number).accepted
            wanted = accepted if clients is None else accepted.keys() & set(clients)
            return {client: accepted[client] for client in sorted(wanted)}

    def accepted_clients(self, run_id: str, number: int) -> Sequence[str]:
        """The clients whose updates were accepted, in client order."""
        with self._lock:
            return sorted(self._state(run_id, number).accepted)

    def failed(self, run_id: str, number: int) -> Mapping[str, str]:
        """Client → why it will send no update, in client order."""
        with self._lock:
            return dict(sorted(self._state(run_id, number).failed.items()))

    def record_partial(self, run_id: str, number: int, shard: int) -> bool:
        """Record that the shard's partial is stored, and activity."""
        with self._lock:
            state = self._state(run_id, number)
            state.folded.add(shard)
            state.failures.pop(shard_step(shard), None)
            state.last_activity = self._clock.now()
            return state.record.phase is not RoundPhase.OPEN and state.accepted_shards <= state.folded

    def touch(self, run_id: str, number: int) -> None:
        """Record activity in the round: its commands were published now, so the sweep waits before it repeats them."""
        with self._lock:
            self._state(run_id, number).last_activity = self._clock.now()

    def tally(self, run_id: str, number: int) -> Tally:
        """The progress of the round at one moment: counts, unsettled clients, folded shards and the last activity."""
        with self._lock:
            state = self._state(run_id, number)
            return Tally(
                accepted=len(state.accepted),
                failed=len(state.failed),
                late=len(state.late),
                unsettled=frozenset(state.unsettled),
                accepted_shards=frozenset(state.accepted_shards),
                folded_shards=frozenset(state.folded),
                deposited={kind: frozenset(state.deposits.get(kind, ())) for kind in (Deposit if state.deposits else ())},
                accepted_clients=frozenset(state.accepted) if state.deposits else frozenset(),
                last_activity=state.last_activity,
            )

    def participation(self, run_id: str) -> Mapping[str, Participation]:
        """Client → its participation in the run's training rounds, in client order."""
        with self._lock:
            self.load(run_id)
            trained = [state for state in self._rounds[run_id].values() if state.record.kind is RoundKind.TRAINING]
            invited = Counter(c for state in trained for c in state.record.cohort if c not in state.record.carried)
            accepted = Counter(client for state in trained for client in state.accepted)
            return {
                client: Participation(invited=count, accepted=accepted[client]) for client, count in sorted(invited.items())
            }
