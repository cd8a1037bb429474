"""The ledger in Redis or Valkey: what changes it. Each atomic step is one Lua script, beside this file; the key schema is at
the top of `fedface_core.adapters.redis.keys`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from fedface_core.adapters.audit_trail import Data, event_data
from fedface_core.adapters.redis.connection import TIMEOUT_SECONDS
from fedface_core.adapters.redis.keys import (
    ACTIVE,
    RUNS,
    events_key,
    micros,
    participation_keys,
    round_key,
    round_keys,
    rounds_key,
    run_key,
)
from fedface_core.adapters.redis.reads import RedisReads
from fedface_core.adapters.redis.records import changed_args, ended_round_commands, index_commands, opened_args
from fedface_core.adapters.redis.server import RedisServer
from fedface_core.domain.errors import NotFoundError, StaleVersionError, WrongPhaseError
from fedface_core.domain.round import Round
from fedface_core.domain.run import ENDED, Run, RunPhase
from fedface_core.domain.update import AcceptedUpdate, Receipt, RefusalReason
from fedface_core.ports import EndedRound


class RedisLedger(RedisReads):
    """`RunLedger` in the Redis or Valkey at ``url``, which it connects to when first used."""

    def __init__(self, url: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        server = RedisServer(url, timeout_seconds=timeout_seconds)
        super().__init__(server)
        self._create = server.script("create.lua")
        self._save = server.script("save.lua")
        self._settle = server.script("settle.lua")
        self._begin_attempt = server.script("begin_attempt.lua")
        self._record_partial = server.script("record_partial.lua")
        self._touch = server.script("touch.lua")
        self._note = server.script("note.lua")

    def create(self, run: Run) -> None:
        """See `RunLedger.create`."""
        if not self._created(run, "run_created"):
            raise WrongPhaseError(f"{run.id} exists already; a new run needs a new id")

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
        changed_round, *_, attempts, _ = round_keys(run.id, changed.number if changed else -1)
        keys += [changed_round, attempts]
        keys += round_keys(run.id, opened.number if opened else -1)
        data = json.dumps(event_data(saved, opened, changed, detail))
        record = saved.model_dump_json(), saved.phase.value
        outcome, version = self._save(keys, run.version, *record, event, data, *changed_args(changed), *opened_args(opened))
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

    def _created(self, run: Run, event: str) -> bool:
        # The indexes lie in other slots than the run, so they come first: readers skip a run that is not there,
        # but nobody would find a run that is in no index.
        self._ask(*index_commands(run))
        keys = [run_key(run.id), events_key(run.id)]
        return bool(
            self._create(keys, run.version, run.model_dump_json(), run.phase.value, event, json.dumps(event_data(run)))
        )

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
