"""How records go to Redis and come back: what the saving script is told, rounds that have ended, runs, counts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from fedface_core.adapters.redis.keys import ACTIVE, RUNS, micros, participation_keys, round_keys, rounds_key
from fedface_core.contracts.schema_version import read_versioned
from fedface_core.domain.cohort import Participation
from fedface_core.domain.errors import InvalidInputError, UnknownSchemaError
from fedface_core.domain.round import Round, RoundState
from fedface_core.domain.run import Run
from fedface_core.ports import EndedRound, RoundGlance

log = structlog.get_logger(__name__)

Command = tuple[Any, ...]


def changed_args(changed: Round | None) -> tuple[str | int, ...]:
    """What `save.lua` is told of the round that changed: record, phase and deadline; blanks where none has."""
    return (_record(changed), changed.phase.value, micros(changed.deadline_at)) if changed else ("", "", "")


def opened_args(opened: Round | None) -> tuple[str | int, ...]:
    """What it is told of the round that opens: record, cohort, number, deadline and opening time; blanks where none does."""
    if opened is None:
        return "", "", "", "", ""
    return _record(opened), _cohort(opened), opened.number, micros(opened.deadline_at), micros(opened.opened_at)


def _record(stored: Round) -> str:
    """A round without its cohort, which never changes and is stored once, beside it."""
    return stored.model_dump_json(exclude={"cohort"})


def _cohort(stored: Round) -> str:
    return json.dumps(stored.cohort, separators=(",", ":"))


def whole_round(record: str, cohort: str) -> Round:
    """The round of a record and the cohort beside it, which nobody but us has written, so that it need not be checked."""
    return Round.model_construct(**dict(read_versioned(RoundState, record)), cohort=tuple(json.loads(cohort)))


def glance_commands(run_id: str, number: int) -> list[Command]:
    """Redis commands for a `RoundGlance`: its record, then its counts in their order."""
    round_, members, unsettled, _, accepted, _, failed, *_ = round_keys(run_id, number)
    return [("HGET", round_, "record"), *(("HLEN", key) for key in (members, accepted, failed)), ("SCARD", unsettled)]


GLANCE_ANSWERS = 5


def glance_of(answers: Sequence[Any]) -> RoundGlance:
    """What the answers to `glance_commands` say."""
    record, *counts = answers
    return RoundGlance(read_versioned(RoundState, record), *counts)


def index_commands(run: Run) -> list[Command]:
    """Redis commands that list the run among all runs and among those that the sweep looks at."""
    return [("ZADD", index, "NX", run.created_at.timestamp(), run.id) for index in (RUNS, ACTIVE)]


def ended_round_commands(run_id: str, ended: EndedRound) -> list[Command]:
    """Redis commands for a round that takes no updates any more: its record, who settled, and the participation."""
    record = ended.record
    key, members, unsettled, shards, accepted, accepted_shards, failed, *_ = round_keys(run_id, record.number)
    shard_of = record.shard_of_each()
    silent = [client for client in record.cohort if client not in ended.accepted and client not in ended.failed]
    waiting = Counter(shard_of[client] for client in silent)
    about = {
        "record": _record(record),
        "cohort": _cohort(record),
        "phase": record.phase.value,
        "quorum": record.quorum,
        "deadline": micros(record.deadline_at),
        "last_activity": micros(record.finished_at or record.opened_at),
    }
    commands: list[Command] = [
        ("SADD", rounds_key(run_id), record.number),
        _hset(key, about),
        _hset(members, shard_of),
        _hset(shards, {shard: waiting[shard] for shard in range(record.shards)}),
    ]
    if silent:
        commands.append(("SADD", unsettled, *silent))
    if ended.failed:
        commands.append(_hset(failed, ended.failed))
    if ended.accepted:
        commands.append(_hset(accepted, {client: update.model_dump_json() for client, update in ended.accepted.items()}))
        commands.append(("SADD", accepted_shards, *{shard_of[client] for client in ended.accepted}))
    if record.number > 0:
        invited, answered = participation_keys(run_id)
        commands += [("HINCRBY", invited, client, 1) for client in record.cohort if client not in record.carried]
        commands += [("HINCRBY", answered, client, 1) for client in ended.accepted]
    return commands


def readable_runs(records: Mapping[str, str | None]) -> list[Run]:
    """The runs of some records by id. One that cannot be read is logged, and does not hide the others."""
    found = []
    for run_id, record in records.items():
        try:
            found += [read_versioned(Run, record)] if record is not None else []
        except (UnknownSchemaError, InvalidInputError) as error:
            log.warning("record_unreadable", run_id=run_id, reason=str(error))
    return found


def participation_of(invited: Mapping[str, str], answered: Mapping[str, str]) -> dict[str, Participation]:
    """By client, in client order, from the two hashes of counts."""
    return {
        client: Participation(invited=int(invited[client]), accepted=int(answered.get(client, 0)))
        for client in sorted(invited)
    }


def _hset(key: str, fields: Mapping[Any, Any]) -> Command:
    return ("HSET", key, *(part for field in fields.items() for part in field))
