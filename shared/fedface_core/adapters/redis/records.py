"""The records of runs and rounds in Redis."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import chain
from typing import Final

from redis.client import Pipeline

from fedface_core.adapters.audit_trail import EventData, creation_data, event_data
from fedface_core.adapters.redis.keys import (
    ACTIVE,
    DELETED,
    LEFTOVERS,
    MOST_DELETED,
    RUNS,
    round_keys,
    run_keys,
    to_microseconds,
)
from fedface_core.adapters.redis.lookup import RunLookup, readable_runs
from fedface_core.contracts.schema_version import read_versioned
from fedface_core.domain.errors import NotFoundError, StaleVersionError, WrongPhaseError
from fedface_core.domain.round import Round, RoundState
from fedface_core.domain.round_kind import RoundKind
from fedface_core.domain.run import ENDED, Run, RunPhase
from fedface_core.ports import DELETED_KEPT, EndedRound

# The phases of ended runs for which no work is left.
_INACTIVE: Final = ENDED - {RunPhase.DELETING}
# No round has this number.
_NO_ROUND: Final = -1


class RedisRecords(RunLookup):
    """`RunRecords` in Redis or Valkey."""

    def create(self, run: Run) -> None:
        """Store a new run, and the event ``run_created`` in its audit trail."""
        match self._store_new(run, "run_created", creation_data(run)):
            case "exists":
                raise WrongPhaseError(f"{run.id} exists already; a new run needs a new id")
            case "deleted":
                raise WrongPhaseError(f"{run.id} was deleted; a new run needs a new id")

    def active_runs(self) -> Sequence[Run]:
        """The runs that have started and not ended, and the runs that are being deleted, oldest first. Ended runs are
        removed from the index of active runs, and runs that are not stored from both indexes: versions before left such.
        """
        with self._server.pipeline() as pipeline:
            pipeline.zrange(ACTIVE, 0, -1)
            (run_ids,) = pipeline.execute()
        records = self._records(run_ids)
        runs = readable_runs(records)
        found = {run.id: run.phase.value for run in runs if run.phase in _INACTIVE}
        found |= {run_id: "" for run_id, record in records.items() if record is None}
        if found:  # an ended run never starts again, so the next call need not load it
            args = [arg for run_id, phase in found.items() for arg in (run_id, run_keys(run_id).run, phase)]
            self._server.run_script("unindex.lua", keys=[RUNS, ACTIVE], args=args)
        return [run for run in runs if run.phase not in _INACTIVE | {RunPhase.CREATED}]

    def load_round(self, run_id: str, number: int) -> Round:
        """The round with its cohort."""
        with self._server.pipeline() as pipeline:
            pipeline.hmget(round_keys(run_id, number).round, "record", "cohort")
            ((record, cohort),) = pipeline.execute()
        self._require_round(record is not None, run_id, number)
        return _round_with_cohort(record, cohort)

    def round_state(self, run_id: str, number: int) -> RoundState:
        """The round without its cohort, which is not read."""
        with self._server.pipeline() as pipeline:
            pipeline.hget(round_keys(run_id, number).round, "record")
            (record,) = pipeline.execute()
        self._require_round(record is not None, run_id, number)
        return read_versioned(RoundState, record)

    def rounds(self, run_id: str) -> Sequence[Round]:
        """All rounds of the run with their cohorts, in order."""
        numbers = self._round_numbers(run_id)
        with self._server.pipeline() as pipeline:
            for number in numbers:
                pipeline.hmget(round_keys(run_id, number).round, "record", "cohort")
            return [_round_with_cohort(record, cohort) for record, cohort in pipeline.execute()]

    def save(
        self,
        run: Run,
        event: str,
        *,
        opened: Round | None = None,
        changed: Round | None = None,
        detail: EventData | None = None,
    ) -> Run:
        """Store a changed run, the round that it opened or changed (or both), and an event, in one atomic step."""
        saved = run.next_version()
        keys_of_run = run_keys(run.id)
        # The script needs all its keys at fixed positions. The keys of `_NO_ROUND` fill the positions of a missing round.
        keys_of_changed = round_keys(run.id, changed.number if changed else _NO_ROUND)
        keys_of_opened = round_keys(run.id, opened.number if opened else _NO_ROUND)
        outcome, version = self._server.run_script(
            "save.lua",
            keys=[
                keys_of_run.run,
                keys_of_run.events,
                keys_of_run.rounds,
                keys_of_run.invited,
                keys_of_changed.round,
                keys_of_changed.attempts,
                keys_of_opened.round,
                keys_of_opened.members,
                keys_of_opened.unsettled,
                keys_of_opened.shards,
                keys_of_run.failures,
                keys_of_changed.failures,
                keys_of_opened.activity,
                ACTIVE,
            ],
            args=[
                run.version,
                saved.model_dump_json(),
                saved.phase.value,
                event,
                json.dumps(event_data(saved, opened, changed, detail), allow_nan=False),
                *_changed_args(changed),
                *_opened_args(opened),
                *((run.id, run.created_at.timestamp()) if run.phase is RunPhase.DELETING else ("", "")),
                int(run.phase in ENDED),
                changed.suspended_from.value if changed and changed.suspended_from else "",
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
        return saved

    def record_event(self, run_id: str, event: str, data: EventData, most: int | None = None) -> bool:
        """Append an event to the run's audit trail, unless it has ``most`` events; the run does not change."""
        keys = run_keys(run_id)
        outcome = self._server.run_script(
            "record_event.lua",
            keys=[keys.run, keys.events],
            args=[event, json.dumps(dict(data), allow_nan=False), "" if most is None else most],
        )
        self._require_run(outcome != "no_run", run_id)
        return bool(outcome == "recorded")

    def restore(
        self, run: Run, rounds: Sequence[EndedRound], detail: EventData | None = None, *, replaces: int | None = None
    ) -> None:
        """Store a run whose records were lost, its ended rounds, and the event ``run_restored`` with ``detail``."""
        with self._server.pipeline() as pipeline:
            pipeline.hget(run_keys(run.id).run, "version")
            (version,) = pipeline.execute()
        if version is not None and replaces is not None and int(version) == replaces:
            self._remove(run.id, remembered=False)
            version = None
        if version is None:
            for ended in rounds:
                with self._server.pipeline() as pipeline:
                    _put_ended_round(pipeline, run.id, ended)
                    pipeline.execute()
            data = event_data(run, detail=detail)
            outcome = self._store_new(run, "run_restored", data, *_participation(rounds))
            if outcome == "deleted":
                raise WrongPhaseError(f"{run.id} was deleted: it is not restored")
            if outcome == "stored" or self.load(run.id) == run:
                return  # a try whose answer was lost, or a restoration at the same time, may have stored just this
        raise WrongPhaseError(f"{run.id} is in the ledger: there is nothing to restore")

    def delete(self, run_id: str) -> None:
        """Remove all records of a run."""
        self._remove(run_id, remembered=True)

    def _remove(self, run_id: str, *, remembered: bool) -> None:
        """Remove all records of a run; ``remembered`` says whether its id counts as that of a deleted run."""
        keys = run_keys(run_id)
        with self._server.pipeline() as pipeline:
            pipeline.smembers(keys.rounds)
            (numbers,) = pipeline.execute()
        for number in sorted(map(int, numbers)):
            with self._server.pipeline() as pipeline:
                pipeline.delete(*round_keys(run_id, number))
                pipeline.execute()
        kept = DELETED_KEPT // timedelta(microseconds=1) if remembered else ""
        self._server.run_script(
            "delete.lua",
            keys=[RUNS, ACTIVE, DELETED, LEFTOVERS, *keys],
            args=[run_id, self._given_time(), kept, MOST_DELETED],
        )

    def _store_new(
        self, run: Run, event: str, data: EventData, invited: Mapping[str, int] = {}, answered: Mapping[str, int] = {}
    ) -> str:
        """Store a run, its first event with ``data`` and its clients' participation: then "stored"; nothing is stored if the
        answer is another one.

        ``invited`` and ``answered``: client → to how many training rounds it was invited, and how many accepted it.
        """
        keys = run_keys(run.id)
        record = run.model_dump_json()
        outcome = self._server.run_script(
            "create.lua",
            keys=[keys.run, keys.events, RUNS, ACTIVE, DELETED, keys.invited, keys.answered],
            args=[
                *(run.version, record, run.phase.value, event, json.dumps(dict(data), allow_nan=False)),
                *(run.id, run.created_at.timestamp()),
                *(json.dumps([*chain(*counts.items())], allow_nan=False) for counts in (invited, answered)),
            ],
        )
        return str(outcome)


def _changed_args(changed: Round | None) -> tuple[str | int, ...]:
    """The changed round as arguments of save.lua: record, phase and deadline; empty strings if there is none."""
    if changed is None:
        return ("",) * 3
    return _record(changed), changed.phase.value, to_microseconds(changed.deadline_at)


def _opened_args(opened: Round | None) -> tuple[str | int, ...]:
    """The opened round as arguments of save.lua: record, cohort, number, kind, deadline and opening time; empty strings if
    there is none.
    """
    if opened is None:
        return ("",) * 6
    return (
        _record(opened),
        _cohort(opened),
        opened.number,
        opened.kind.value,
        to_microseconds(opened.deadline_at),
        to_microseconds(opened.opened_at),
    )


def _record(stored: Round) -> str:
    """A round as JSON without its cohort. The cohort never changes, and is stored once, in a field of its own."""
    return stored.model_dump_json(exclude={"cohort"})


def _cohort(stored: Round) -> str:
    return json.dumps(stored.cohort, separators=(",", ":"), allow_nan=False)


def _round_with_cohort(record: str, cohort: str) -> Round:
    """The round of a stored record and cohort. The cohort is not validated, since only this adapter writes it."""
    return Round.model_construct(**dict(read_versioned(RoundState, record)), cohort=tuple(json.loads(cohort)))


def _put_ended_round(pipeline: Pipeline, run_id: str, ended: EndedRound) -> None:
    """Add the commands that store an ended round to the pipeline: its record and its clients' outcome.

    They may be repeated, by another try or by another restoration at the same time. So none of them counts.
    """
    record = ended.record
    keys_of_run = run_keys(run_id)
    keys = round_keys(run_id, record.number)
    shard_of = record.shard_of_each()
    unsettled = [client for client in record.cohort if client not in ended.accepted and client not in ended.failed]
    unsettled_in_shard = Counter(shard_of[client] for client in unsettled)
    pipeline.sadd(keys_of_run.rounds, record.number)
    pipeline.hset(
        keys.round,
        mapping={
            "record": _record(record),
            "cohort": _cohort(record),
            "phase": record.phase.value,
            "quorum": record.quorum,
            "deadline": to_microseconds(record.deadline_at),
        },
    )
    pipeline.set(keys.activity, to_microseconds(record.finished_at or record.opened_at))
    # dict(….items()) has the wider types of keys and values that redis-py's annotations ask for.
    pipeline.hset(keys.members, mapping=dict(shard_of.items()))
    pipeline.hset(keys.shards, mapping={shard: unsettled_in_shard[shard] for shard in range(record.shards)})
    if unsettled:
        pipeline.sadd(keys.unsettled, *unsettled)
    if ended.failed:
        pipeline.hset(keys.failed, mapping=dict(ended.failed.items()))
    if ended.accepted:
        pipeline.hset(keys.accepted, mapping={client: update.model_dump_json() for client, update in ended.accepted.items()})
        pipeline.sadd(keys.accepted_shards, *{shard_of[client] for client in ended.accepted})


def _participation(rounds: Sequence[EndedRound]) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """Client → to how many of the training rounds it was invited, and client → how many of them accepted it."""
    training = [ended for ended in rounds if ended.record.kind is RoundKind.TRAINING]
    invited = Counter(client for ended in training for client in ended.record.cohort if client not in ended.record.carried)
    answered = Counter(client for ended in training for client in ended.accepted)
    return invited, answered
