"""Runs and rounds in Redis: stored and loaded whole."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Final

from redis.client import Pipeline

from fedface_core.adapters.audit_trail import Data, event_data
from fedface_core.adapters.redis.keys import ACTIVE, RUNS, micros, round_keys, run_keys
from fedface_core.adapters.redis.lookup import RunLookup
from fedface_core.contracts.schema_version import read_versioned
from fedface_core.domain.errors import NotFoundError, StaleVersionError, WrongPhaseError
from fedface_core.domain.round import Round, RoundState
from fedface_core.domain.round_kind import RoundKind
from fedface_core.domain.run import ENDED, Run, RunPhase
from fedface_core.ports import EndedRound

# A run in one of these has ended, and nothing is to be done for it any more.
_OVER: Final = ENDED - {RunPhase.DELETING}
# No round has this number, so that keys of this one are nobody's.
_NO_ROUND: Final = -1


class RedisRecords(RunLookup):
    """`RunRecords` in Redis or Valkey."""

    def create(self, run: Run) -> None:
        """See `RunRecords.create`."""
        if not self._stored_as_new(run, "run_created"):
            raise WrongPhaseError(f"{run.id} exists already; a new run needs a new id")

    def active_runs(self) -> Sequence[Run]:
        """See `RunRecords.active_runs`. Takes runs that it finds ended out of the index."""
        with self._server.pipeline() as pipeline:
            pipeline.zrange(ACTIVE, 0, -1)
            (run_ids,) = pipeline.execute()
        runs = self._load_all(run_ids)
        over = [run.id for run in runs if run.phase in _OVER]
        if over:  # An ended run never starts again, so it need not be loaded next time.
            with self._server.pipeline() as pipeline:
                pipeline.zrem(ACTIVE, *over)
                pipeline.execute()
            for run in self._load_all(over):  # unless an operator has it deleted in this moment
                if run.phase is RunPhase.DELETING:
                    self._index(run)
        return [run for run in runs if run.phase not in _OVER | {RunPhase.CREATED}]

    def load_round(self, run_id: str, number: int) -> Round:
        """See `RunRecords.load_round`."""
        with self._server.pipeline() as pipeline:
            pipeline.hmget(round_keys(run_id, number).round, "record", "cohort")
            ((record, cohort),) = pipeline.execute()
        self._require_round(record is not None, run_id, number)
        return _whole_round(record, cohort)

    def rounds(self, run_id: str) -> Sequence[Round]:
        """See `RunRecords.rounds`."""
        numbers = self._round_numbers(run_id)
        with self._server.pipeline() as pipeline:
            for number in numbers:
                pipeline.hmget(round_keys(run_id, number).round, "record", "cohort")
            return [_whole_round(record, cohort) for record, cohort in pipeline.execute()]

    def save(
        self,
        run: Run,
        event: str,
        *,
        opened: Round | None = None,
        changed: Round | None = None,
        detail: Data | None = None,
    ) -> Run:
        """See `RunRecords.save`."""
        if run.phase is RunPhase.DELETING:  # before it is stored: were we killed in between, it is only looked at once more
            self._index(run)
        saved = run.next_version()
        of_run = run_keys(run.id)
        # A script's keys stand at fixed places: without such a round they are named all the same, and left alone.
        of_changed = round_keys(run.id, changed.number if changed else _NO_ROUND)
        of_opened = round_keys(run.id, opened.number if opened else _NO_ROUND)
        outcome, version = self._server.run_script(
            "save.lua",
            keys=[
                of_run.run,
                of_run.events,
                of_run.rounds,
                of_run.invited,
                of_changed.round,
                of_changed.attempts,
                of_opened.round,
                of_opened.members,
                of_opened.unsettled,
                of_opened.shards,
            ],
            args=[
                run.version,
                saved.model_dump_json(),
                saved.phase.value,
                event,
                json.dumps(event_data(saved, opened, changed, detail)),
                *_changed_args(changed),
                *_opened_args(opened),
            ],
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
            self._index(run)
        return saved

    def record_event(self, run_id: str, event: str, data: Data) -> None:
        """See `RunRecords.record_event`."""
        keys = run_keys(run_id)
        recorded = self._server.run_script(
            "record_event.lua", keys=[keys.run, keys.events], args=[event, json.dumps(dict(data))]
        )
        self._require_run(recorded, run_id)

    def restore(self, run: Run, rounds: Sequence[EndedRound]) -> None:
        """See `RunRecords.restore`."""
        keys = run_keys(run.id)
        with self._server.pipeline() as pipeline:
            pipeline.exists(keys.run)
            (exists,) = pipeline.execute()
        if not exists:
            with self._server.pipeline() as pipeline:
                pipeline.delete(keys.invited, keys.answered)  # of a restoration that was cut short
                pipeline.execute()
            for ended in rounds:
                with self._server.pipeline() as pipeline:
                    _put_ended_round(pipeline, run.id, ended)
                    pipeline.execute()
        if exists or not self._stored_as_new(run, "run_restored"):
            raise WrongPhaseError(f"{run.id} is in the ledger: there is nothing to restore")

    def delete(self, run_id: str) -> None:
        """See `RunRecords.delete`."""
        keys = run_keys(run_id)
        with self._server.pipeline() as pipeline:
            pipeline.smembers(keys.rounds)
            (numbers,) = pipeline.execute()
        for number in sorted(map(int, numbers)):
            with self._server.pipeline() as pipeline:
                pipeline.delete(*round_keys(run_id, number))
                pipeline.execute()
        with self._server.pipeline() as pipeline:
            pipeline.delete(*keys)
            pipeline.zrem(RUNS, run_id)
            pipeline.zrem(ACTIVE, run_id)
            pipeline.execute()

    def _stored_as_new(self, run: Run, event: str) -> bool:
        """Whether the run and its first event were stored; they are not if the ledger has the run."""
        self._index(run)
        keys = run_keys(run.id)
        record = run.model_dump_json()
        data = json.dumps(event_data(run))
        return bool(
            self._server.run_script(
                "create.lua", keys=[keys.run, keys.events], args=[run.version, record, run.phase.value, event, data]
            )
        )

    def _index(self, run: Run) -> None:
        """List the run among all runs, and among those that the sweep looks at."""
        with self._server.pipeline() as pipeline:
            for index in (RUNS, ACTIVE):
                pipeline.zadd(index, {run.id: run.created_at.timestamp()}, nx=True)
            pipeline.execute()


def _changed_args(changed: Round | None) -> tuple[str | int, ...]:
    """The changed round as save.lua takes it: record, phase and deadline; blanks for None."""
    if changed is None:
        return ("",) * 3
    return _record(changed), changed.phase.value, micros(changed.deadline_at)


def _opened_args(opened: Round | None) -> tuple[str | int, ...]:
    """The opened round as save.lua takes it: record, cohort, number, kind, deadline and opening time; blanks for None."""
    if opened is None:
        return ("",) * 6
    moments = micros(opened.deadline_at), micros(opened.opened_at)
    return _record(opened), _cohort(opened), opened.number, opened.kind.value, *moments


def _record(stored: Round) -> str:
    """A round without its cohort, which never changes and is stored once, beside it."""
    return stored.model_dump_json(exclude={"cohort"})


def _cohort(stored: Round) -> str:
    return json.dumps(stored.cohort, separators=(",", ":"))


def _whole_round(record: str, cohort: str) -> Round:
    """The round of a record and the cohort beside it, which nobody but us has written, so that it need not be checked."""
    return Round.model_construct(**dict(read_versioned(RoundState, record)), cohort=tuple(json.loads(cohort)))


def _put_ended_round(pipeline: Pipeline, run_id: str, ended: EndedRound) -> None:
    """Have the pipeline store a round that takes no updates any more: its record, who has settled, the participation."""
    record = ended.record
    of_run = run_keys(run_id)
    keys = round_keys(run_id, record.number)
    shard_of = record.shard_of_each()
    silent = [client for client in record.cohort if client not in ended.accepted and client not in ended.failed]
    waiting = Counter(shard_of[client] for client in silent)
    pipeline.sadd(of_run.rounds, record.number)
    pipeline.hset(
        keys.round,
        mapping={
            "record": _record(record),
            "cohort": _cohort(record),
            "phase": record.phase.value,
            "quorum": record.quorum,
            "deadline": micros(record.deadline_at),
            "last_activity": micros(record.finished_at or record.opened_at),
        },
    )
    # By items: redis-py's mapping has keys and values of wider types than ours, which a mapping of ours is not.
    pipeline.hset(keys.members, mapping=dict(shard_of.items()))
    pipeline.hset(keys.shards, mapping={shard: waiting[shard] for shard in range(record.shards)})
    if silent:
        pipeline.sadd(keys.unsettled, *silent)
    if ended.failed:
        pipeline.hset(keys.failed, mapping=dict(ended.failed.items()))
    if ended.accepted:
        pipeline.hset(keys.accepted, mapping={client: found.model_dump_json() for client, found in ended.accepted.items()})
        pipeline.sadd(keys.accepted_shards, *{shard_of[client] for client in ended.accepted})
    if record.kind is RoundKind.TRAINING:
        for client in record.cohort:
            if client not in record.carried:
                pipeline.hincrby(of_run.invited, client, 1)
        for client in ended.accepted:
            pipeline.hincrby(of_run.answered, client, 1)
