"""The settlement of a round's clients in Redis: attempts, accepted updates, failed clients, partials and their counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Literal

from fedface_core.adapters.redis.keys import from_microseconds, round_keys, run_keys
from fedface_core.adapters.redis.lookup import RunLookup
from fedface_core.domain.cohort import Participation
from fedface_core.domain.deposit import Deposit, DepositReceipt
from fedface_core.domain.devices import Wait
from fedface_core.domain.failures import client_step, shard_step
from fedface_core.domain.reasons import LONGEST_STORED_REASON
from fedface_core.domain.round import Tally
from fedface_core.domain.round_kind import RoundKind
from fedface_core.domain.round_phase import PHASE_OF_DEPOSIT
from fedface_core.domain.update import AcceptedUpdate, Receipt, RefusalReason, read_acceptance


class RedisSettlement(RunLookup):
    """`RoundSettlement` in Redis or Valkey."""

    def begin_attempt(self, run_id: str, number: int, client: str) -> int:
        """Count a delivery of the client's task in this round, and record activity."""
        return self.begin_attempts(run_id, number, [client])[0]

    def begin_attempts(self, run_id: str, number: int, clients: Sequence[str]) -> Sequence[int]:
        """Count a delivery of the tasks of several clients, up to one that had an attempt before."""
        keys = round_keys(run_id, number)
        counts: Sequence[int] | None = self._server.run_script(
            "begin_attempts.lua",
            keys=[keys.unsettled, keys.attempts, keys.activity],
            args=[keys.round, keys.accepted, self._given_time(), *clients],
        )
        self._require_round(counts is not None, run_id, number)
        return counts or []

    def take_back_attempt(self, run_id: str, number: int, client: str) -> None:
        """Count one attempt of the client fewer, since what it needed was away."""
        keys = round_keys(run_id, number)
        known = self._server.run_script("take_back_attempt.lua", keys=[keys.attempts], args=[keys.round, client])
        self._require_round(known is not None, run_id, number)

    def begin_wait(self, run_id: str, number: int, client: str, wait: Wait, seconds: float) -> float:
        """Have a client's simulated device wait, unless this wait has begun before. Returns the seconds that are left."""
        keys = round_keys(run_id, number)
        left = self._server.run_script(
            "begin_wait.lua",
            keys=[keys.waits],
            args=[keys.round, f"{client}/{wait}", round(seconds * 1e6), self._given_time()],
        )
        self._require_round(left is not None, run_id, number)
        return int(left) / 1e6

    def waits(self, run_id: str, number: int, client: str) -> Mapping[Wait, float]:
        """The waits of a client that have begun, and how many seconds are left."""
        keys = round_keys(run_id, number)
        with self._server.pipeline() as pipeline:
            pipeline.exists(keys.round)
            pipeline.hmget(keys.waits, [f"{client}/{wait}" for wait in Wait])
            pipeline.time()
            exists, due, (seconds, microseconds) = pipeline.execute()
        self._require_round(exists, run_id, number)
        now = int(self._given_time() or 1_000_000 * seconds + microseconds)
        return {wait: (int(at) - now) / 1e6 for wait, at in zip(Wait, due, strict=True) if at is not None}

    def accept(self, run_id: str, number: int, client: str, update: AcceptedUpdate) -> Receipt:
        """Record the update of an invited client that has not settled, in one atomic step."""
        return self.accept_all(run_id, number, {client: update})

    def accept_all(self, run_id: str, number: int, updates: Mapping[str, AcceptedUpdate]) -> Receipt:
        """Record the updates of several invited clients of one shard, in one atomic step: all of them, or none."""
        values = {client: updates[client].model_dump_json() for client in sorted(updates)}
        return self._settle(run_id, number, "accepted", values)

    def fail(self, run_id: str, number: int, client: str, reason: str) -> Receipt:
        """Record that an invited client that has not settled will send no update, and why, in one atomic step."""
        return self._settle(run_id, number, "failed", {client: reason[:LONGEST_STORED_REASON]})

    def _settle(
        self, run_id: str, number: int, outcome: Literal["accepted", "failed"], values: Mapping[str, str]
    ) -> Receipt:
        """Settle clients of one shard. ``values`` has the update of each as JSON, or the reason why it failed."""
        keys = round_keys(run_id, number)
        answer = self._server.run_script(
            "settle.lua",
            keys=[
                keys.unsettled,
                keys.shards,
                keys.accepted,
                keys.accepted_shards,
                keys.failed,
                keys.late,
                run_keys(run_id).answered,
                keys.failures,
                keys.activity,
            ],
            args=[
                keys.round,
                keys.members,
                self._given_time(),
                RoundKind.of(number).value,
                client_step(""),
                outcome,
                *chain.from_iterable(values.items()),
            ],
        )
        self._require_round(answer is not None, run_id, number)
        refused, shard, shard_settled, round_ready = answer
        return Receipt(
            refused=RefusalReason(refused) if refused else None,
            shard=int(shard) if shard else None,
            shard_settled=bool(shard_settled),
            round_ready=bool(round_ready),
        )

    def record_deposit(self, run_id: str, number: int, kind: Deposit, client: str, sha256: str) -> DepositReceipt:
        """Record that a client has made a deposit, in one atomic step, and activity."""
        keys = round_keys(run_id, number)
        answer = self._server.run_script(
            "record_deposit.lua",
            keys=[keys.deposits, keys.depositors, keys.failures, keys.activity],
            args=[
                keys.round,
                keys.members,
                keys.unsettled,
                keys.accepted,
                client,
                self._given_time(),
                kind.value,
                PHASE_OF_DEPOSIT[kind].value,
                sha256,
                client_step(client),
            ],
        )
        self._require_round(answer is not None, run_id, number)
        refused, shard, deposited = answer
        return DepositReceipt(
            refused=RefusalReason(refused) if refused else None, shard=int(shard) if shard else None, deposited=deposited
        )

    def deposits(self, run_id: str, number: int, kind: Deposit, clients: Iterable[str] | None = None) -> Mapping[str, str]:
        """Client → the SHA-256 of its deposit of this kind, in client order: of all clients, or of those in ``clients``."""
        keys = round_keys(run_id, number)
        prefix = f"{kind}/"
        with self._server.pipeline() as pipeline:
            pipeline.exists(keys.round)
            if clients is None:
                pipeline.hgetall(keys.deposits)
                exists, made = pipeline.execute()
            else:
                fields = ["", *(prefix + client for client in set(clients))]  # HMGET needs a field
                pipeline.hmget(keys.deposits, fields)
                exists, values = pipeline.execute()
                made = {field: value for field, value in zip(fields, values, strict=True) if value is not None}
        self._require_round(exists, run_id, number)
        return {field.removeprefix(prefix): made[field] for field in sorted(made) if field.startswith(prefix)}

    def record_late(self, run_id: str, number: int, client: str) -> None:
        """Record that the update of an invited client came too late to count in the round."""
        keys = round_keys(run_id, number)
        recorded = self._server.run_script("record_late.lua", keys=[keys.unsettled, keys.late], args=[keys.round, client])
        self._require_round(recorded is not None, run_id, number)

    def accepted(self, run_id: str, number: int, clients: Iterable[str] | None = None) -> Mapping[str, AcceptedUpdate]:
        """Client → its accepted update, in client order: of all clients, or of those in ``clients``."""
        keys = round_keys(run_id, number)
        with self._server.pipeline() as pipeline:
            pipeline.exists(keys.round)
            if clients is None:
                pipeline.hgetall(keys.accepted)
                exists, found = pipeline.execute()
            else:
                fields = ["", *sorted(set(clients))]  # HMGET needs a field, and no client has the empty name
                pipeline.hmget(keys.accepted, fields)
                exists, values = pipeline.execute()
                found = {client: value for client, value in zip(fields, values, strict=True) if value is not None}
        self._require_round(exists, run_id, number)
        return {client: read_acceptance(found[client]) for client in sorted(found)}

    def accepted_clients(self, run_id: str, number: int) -> Sequence[str]:
        """The clients whose updates were accepted, in client order."""
        keys = round_keys(run_id, number)
        with self._server.pipeline() as pipeline:
            pipeline.exists(keys.round)
            pipeline.hkeys(keys.accepted)
            exists, clients = pipeline.execute()
        self._require_round(exists, run_id, number)
        return sorted(clients)

    def failed(self, run_id: str, number: int) -> Mapping[str, str]:
        """Client → why it will send no update, in client order."""
        keys = round_keys(run_id, number)
        with self._server.pipeline() as pipeline:
            pipeline.exists(keys.round)
            pipeline.hgetall(keys.failed)
            exists, failed = pipeline.execute()
        self._require_round(exists, run_id, number)
        return dict(sorted(failed.items()))

    def record_partial(self, run_id: str, number: int, shard: int) -> bool:
        """Record that the shard's partial is stored, and activity."""
        keys = round_keys(run_id, number)
        complete = self._server.run_script(
            "record_partial.lua",
            keys=[keys.folded, keys.failures, keys.activity],
            args=[keys.round, keys.accepted_shards, shard, self._given_time(), shard_step(shard)],
        )
        self._require_round(complete is not None, run_id, number)
        return bool(complete)

    def touch(self, run_id: str, number: int) -> None:
        """Record activity in the round: its commands were published now, so the sweep waits before it repeats them."""
        keys = round_keys(run_id, number)
        touched = self._server.run_script("touch.lua", keys=[keys.round, keys.activity], args=[self._given_time()])
        self._require_round(touched is not None, run_id, number)

    def tally(self, run_id: str, number: int) -> Tally:
        """The progress of the round at one moment: counts, unsettled clients, folded shards and the last activity."""
        keys = round_keys(run_id, number)
        with self._server.pipeline(transaction=True) as pipeline:
            pipeline.get(keys.activity)
            pipeline.hget(keys.round, "last_activity")  # of a round that an earlier version opened
            pipeline.hlen(keys.accepted)
            pipeline.hlen(keys.failed)
            pipeline.scard(keys.late)
            pipeline.smembers(keys.unsettled)
            pipeline.smembers(keys.accepted_shards)
            pipeline.smembers(keys.folded)
            pipeline.hkeys(keys.deposits)
            *settled, deposits = pipeline.execute()
        activity, earlier, accepted, failed, late, unsettled, accepted_shards, folded_shards = settled
        last_activity = activity or earlier
        self._require_round(last_activity is not None, run_id, number)
        return Tally(
            accepted=accepted,
            failed=failed,
            late=late,
            unsettled=frozenset(unsettled),
            accepted_shards=frozenset(map(int, accepted_shards)),
            folded_shards=frozenset(map(int, folded_shards)),
            deposited={
                kind: frozenset(field.removeprefix(f"{kind}/") for field in deposits if field.startswith(f"{kind}/"))
                for kind in (Deposit if deposits else ())
            },
            accepted_clients=frozenset(self.accepted_clients(run_id, number) if deposits else ()),
            last_activity=from_microseconds(int(last_activity)),
        )

    def participation(self, run_id: str) -> Mapping[str, Participation]:
        """Client → its participation in the run's training rounds, in client order."""
        keys = run_keys(run_id)
        with self._server.pipeline() as pipeline:
            pipeline.exists(keys.run)
            pipeline.hgetall(keys.invited)
            pipeline.hgetall(keys.answered)
            exists, invited, answered = pipeline.execute()
        self._require_run(exists, run_id)
        return {
            client: Participation(invited=int(invited[client]), accepted=int(answered.get(client, 0)))
            for client in sorted(invited)
        }
