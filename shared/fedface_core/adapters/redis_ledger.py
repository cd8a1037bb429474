"""The ledger in Redis or Valkey. Each atomic step is one Lua script, beside this file; the key schema is at the
top of `fedface_core.adapters.redis_keys`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from fedface_core.adapters.audit_trail import Data, check_event_id, event_data
from fedface_core.adapters.redis_connection import TIMEOUT_SECONDS
from fedface_core.adapters.redis_keys import (
    ACTIVE,
    RUNS,
    events_key,
    micros,
    moment_of,
    participation_keys,
    recorded_event,
    round_key,
    round_keys,
    rounds_key,
    run_key,
)
from fedface_core.adapters.redis_records import (
    changed_args,
    ended_round_commands,
    index_commands,
    opened_args,
    participation_of,
    readable_runs,
)
from fedface_core.adapters.redis_server import RedisServer
from fedface_core.contracts.schema_version import read_versioned
from fedface_core.domain.cohort import Participation
from fedface_core.domain.errors import NotFoundError, StaleVersionError, WrongPhaseError
from fedface_core.domain.round import Round, Tally
from fedface_core.domain.run import ENDED, Run, RunPhase
from fedface_core.domain.update import AcceptedUpdate, Receipt, RefusalReason
from fedface_core.ports import EndedRound, RecordedEvent


class RedisLedger:
    """`RunLedger` in the Redis or Valkey at ``url``, which it connects to when first used."""

    def __init__(self, url: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        server = RedisServer(url, timeout_seconds=timeout_seconds)
        self._ask = server.ask
        self._create = server.script("ledger_create.lua")
        self._save = server.script("ledger_save.lua")
        self._settle = server.script("ledger_settle.lua")
        self._begin_attempt = server.script("ledger_begin_attempt.lua")
        self._record_partial = server.script("ledger_record_partial.lua")
        self._touch = server.script("ledger_touch.lua")
        self._note = server.script("ledger_note.lua")

    def create(self, run: Run) -> None:
        """See `RunLedger.create`."""
        if not self._created(run, "run_created"):
            raise WrongPhaseError(f"{run.id} exists already; a new run needs a new id")

    def load(self, run_id: str) -> Run:
        """See `RunLedger.load`."""
        (record,) = self._ask(("HGET", run_key(run_id), "record"))
        if record is None:
            raise NotFoundError(f"there is no run {run_id}")
        return read_versioned(Run, record)

    def runs(self) -> Sequence[Run]:
        """See `RunLedger.runs`."""
        (ids,) = self._ask(("ZREVRANGE", RUNS, 0, -1))
        return self._load_all(ids)

    def active_runs(self) -> Sequence[Run]:
        """See `RunLedger.active_runs`."""
        (ids,) = self._ask(("ZRANGE", ACTIVE, 0, -1))
        runs = self._load_all(ids)
        idle = ENDED - {RunPhase.DELETING}
        ended = [run.id for run in runs if run.phase in idle]
        if ended:  # An ended run never starts again, so it need not be loaded next time.
            self._ask(("ZREM", ACTIVE, *ended))
            for run in self._load_all(ended):  # unless an operator has it deleted in this moment
                self._ask(*(index_commands(run) if run.phase is RunPhase.DELETING else ()))
        return [run for run in runs if run.phase not in idle | {RunPhase.CREATED}]

    def save(
        self,
        run: Run,
        event: str,
        *,
        opened: Round | None = None,
        changed: Round | None = None,
        detail: Data | None = None,
    ) -> Run:
        """See `RunLedger.save`."""
        if run.phase is RunPhase.DELETING:  # before it is stored: were we killed in between, it is only looked at once more
            self._ask(*index_commands(run))
        saved = run.model_copy(update={"version": run.version + 1})
        keys = [run_key(run.id), events_key(run.id), rounds_key(run.id), participation_keys(run.id)[0]]
        # A script's keys stand at fixed places; where there is no such round, the script leaves its keys alone.
        keys += [round_key(run.id, changed.number if changed else -1)]
        keys += round_keys(run.id, opened.number if opened else -1)
        data = json.dumps(event_data(saved, opened, changed, detail))
        outcome, version = self._save(
            keys, run.version, saved.model_dump_json(), event, data, *changed_args(changed), *opened_args(opened)
        )
        match outcome:
            case "no_run":
                raise NotFoundError(f"there is no run {run.id}")
            case "no_round":
                assert changed is not None
                raise NotFoundError(f"{run.id} has no round {changed.number}")
            case "stale":
                raise StaleVersionError(f"{run.id} is at version {version}, not {run.version}; load it again")
        if run.phase is RunPhase.DELETING:  # and after: somebody may have found it ended meanwhile, and taken it out
            self._ask(*index_commands(run))
        return saved

    def restore(self, run: Run, rounds: Sequence[EndedRound]) -> None:
        """See `RunLedger.restore`."""
        (exists,) = self._ask(("EXISTS", run_key(run.id)))
        if not exists:
            self._ask(("DEL", *participation_keys(run.id)))  # of a restoration that was cut short
            for ended in rounds:
                self._ask(*ended_round_commands(run.id, ended))
        if exists or not self._created(run, "run_restored"):
            raise WrongPhaseError(f"{run.id} is in the ledger: there is nothing to restore")

    def delete(self, run_id: str) -> None:
        """See `RunLedger.delete`."""
        (numbers,) = self._ask(("SMEMBERS", rounds_key(run_id)))
        for number in sorted(map(int, numbers)):
            self._ask(("DEL", *round_keys(run_id, number)))
        last = [rounds_key(run_id), *participation_keys(run_id), events_key(run_id), run_key(run_id)]
        self._ask(("DEL", *last), ("ZREM", RUNS, run_id), ("ZREM", ACTIVE, run_id))

    def participation(self, run_id: str) -> Mapping[str, Participation]:
        """See `RunLedger.participation`."""
        exists, *counts = self._ask(("EXISTS", run_key(run_id)), *(("HGETALL", key) for key in participation_keys(run_id)))
        if not exists:
            raise NotFoundError(f"there is no run {run_id}")
        return participation_of(*counts)

    def load_round(self, run_id: str, number: int) -> Round:
        """See `RunLedger.load_round`."""
        (record,) = self._ask(("HGET", round_key(run_id, number), "record"))
        return read_versioned(Round, self._opened(record, run_id, number))

    def rounds(self, run_id: str) -> Sequence[Round]:
        """See `RunLedger.rounds`."""
        exists, numbers = self._ask(("EXISTS", run_key(run_id)), ("SMEMBERS", rounds_key(run_id)))
        if not exists:
            raise NotFoundError(f"there is no run {run_id}")
        keys = [round_key(run_id, number) for number in sorted(map(int, numbers))]
        return [read_versioned(Round, record) for record in self._ask(*(("HGET", key, "record") for key in keys))]

    def tally(self, run_id: str, number: int) -> Tally:
        """See `RunLedger.tally`."""
        round_, _, unsettled, _, accepted, accepted_shards, failed, _, folded = round_keys(run_id, number)
        activity, *counts = self._ask(
            ("HGET", round_, "last_activity"),
            ("HLEN", accepted),
            ("HLEN", failed),
            ("SMEMBERS", unsettled),
            ("SMEMBERS", accepted_shards),
            ("SMEMBERS", folded),
            atomically=True,
        )
        self._opened(activity, run_id, number)
        return Tally(
            accepted=counts[0],
            failed=counts[1],
            unsettled=frozenset(counts[2]),
            accepted_shards=frozenset(map(int, counts[3])),
            folded_shards=frozenset(map(int, counts[4])),
            last_activity=moment_of(int(activity)),
        )

    def begin_attempt(self, run_id: str, number: int, client: str, now: datetime) -> int:
        """See `RunLedger.begin_attempt`."""
        round_, _, unsettled, *_, attempts, _ = round_keys(run_id, number)
        count = self._begin_attempt([round_, unsettled, attempts], client, micros(now))
        return int(self._opened(count, run_id, number))

    def accept(self, run_id: str, number: int, client: str, update: AcceptedUpdate, now: datetime) -> Receipt:
        """See `RunLedger.accept`."""
        return self._settled(run_id, number, client, now, "accepted", update.model_dump_json())

    def fail(self, run_id: str, number: int, client: str, reason: str, now: datetime) -> Receipt:
        """See `RunLedger.fail`."""
        return self._settled(run_id, number, client, now, "failed", reason)

    def accepted(self, run_id: str, number: int, clients: Iterable[str] | None = None) -> Mapping[str, AcceptedUpdate]:
        """See `RunLedger.accepted`."""
        key = round_key(run_id, number)
        if clients is None:
            exists, found = self._ask(("EXISTS", key), ("HGETALL", f"{key}:accepted"))
        else:
            wanted = sorted(set(clients))
            exists, *values = self._ask(("EXISTS", key), *(("HGET", f"{key}:accepted", client) for client in wanted))
            found = {client: value for client, value in zip(wanted, values, strict=True) if value is not None}
        self._opened(exists or None, run_id, number)
        return {client: AcceptedUpdate.model_validate_json(found[client]) for client in sorted(found)}

    def failed(self, run_id: str, number: int) -> Mapping[str, str]:
        """See `RunLedger.failed`."""
        key = round_key(run_id, number)
        exists, failed = self._ask(("EXISTS", key), ("HGETALL", f"{key}:failed"))
        self._opened(exists or None, run_id, number)
        return dict(sorted(failed.items()))

    def record_partial(self, run_id: str, number: int, shard: int, now: datetime) -> bool:
        """See `RunLedger.record_partial`."""
        round_, *_, accepted_shards, _, _, folded = round_keys(run_id, number)
        complete = self._record_partial([round_, accepted_shards, folded], shard, micros(now))
        return bool(self._opened(complete, run_id, number))

    def touch(self, run_id: str, number: int, now: datetime) -> None:
        """See `RunLedger.touch`."""
        self._opened(self._touch([round_key(run_id, number)], micros(now)), run_id, number)

    def note(self, run_id: str, event: str, data: Mapping[str, str | int | float | None]) -> None:
        """See `RunLedger.note`."""
        if not self._note([run_key(run_id), events_key(run_id)], event, json.dumps(dict(data))):
            raise NotFoundError(f"there is no run {run_id}")

    def events(self, run_id: str, after: str | None = None, limit: int = 1000) -> Sequence[RecordedEvent]:
        """See `RunLedger.events`."""
        if after is not None:
            check_event_id(after)
        start = "-" if after is None else f"({after}"
        exists, entries = self._ask(("EXISTS", run_key(run_id)), ("XRANGE", events_key(run_id), start, "+", "COUNT", limit))
        if not exists:
            raise NotFoundError(f"there is no run {run_id}")
        return [recorded_event(entry_id, fields) for entry_id, fields in entries]

    def ping(self) -> None:
        """See `RunLedger.ping`."""
        self._ask(("PING",))

    def _load_all(self, ids: Sequence[str]) -> list[Run]:
        records = self._ask(*(("HGET", run_key(run_id), "record") for run_id in ids))
        return readable_runs(dict(zip(ids, records, strict=True)))

    def _created(self, run: Run, event: str) -> bool:
        # The indexes lie in other slots than the run, so they come first: readers skip a run that is not there,
        # but nobody would find a run that is in no index.
        self._ask(*index_commands(run))
        keys = [run_key(run.id), events_key(run.id)]
        return bool(self._create(keys, run.version, run.model_dump_json(), event, json.dumps(event_data(run))))

    def _settled(self, run_id: str, number: int, client: str, now: datetime, outcome: str, value: str) -> Receipt:
        keys = [*round_keys(run_id, number)[:7], participation_keys(run_id)[1]]
        answer = self._settle(keys, client, micros(now), outcome, value, number)
        refused, shard, shard_settled, round_ready = self._opened(answer, run_id, number)
        return Receipt(
            refused=RefusalReason(refused) if refused else None,
            shard=int(shard) if shard else None,
            shard_settled=bool(shard_settled),
            round_ready=bool(round_ready),
        )

    def _opened(self, answer: Any, run_id: str, number: int) -> Any:
        """The answer, unless it is the None of a round that was never opened."""
        if answer is None:
            self.load(run_id)  # says so where it is the run that is missing
            raise NotFoundError(f"{run_id} has no round {number}")
        return answer
