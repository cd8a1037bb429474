"""How rounds are written to Redis: what the saving script is told, and an ended round with all of its keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from fedface_core.adapters.redis_keys import micros, participation_keys, round_keys, rounds_key
from fedface_core.domain.round import Round
from fedface_core.ports import EndedRound

Command = tuple[Any, ...]


def changed_args(changed: Round | None) -> tuple[str | int, ...]:
    """What `ledger_save.lua` is told of the round that changed: record, phase and deadline; blanks where none has."""
    return (changed.model_dump_json(), changed.phase.value, micros(changed.deadline_at)) if changed else ("", "", "")


def opened_args(opened: Round | None) -> tuple[str | int, ...]:
    """What it is told of the round that opens: record, number, deadline and opening time; blanks where none does."""
    if opened is None:
        return "", "", "", ""
    return opened.model_dump_json(), opened.number, micros(opened.deadline_at), micros(opened.opened_at)


def ended_round_commands(run_id: str, ended: EndedRound) -> list[Command]:
    """Redis commands for a round that takes no updates any more: its record, who settled, and the participation."""
    record = ended.record
    key, members, unsettled, shards, accepted, accepted_shards, failed, *_ = round_keys(run_id, record.number)
    shard_of = {client: index // record.shard_size for index, client in enumerate(record.cohort)}
    silent = [client for client in record.cohort if client not in ended.accepted and client not in ended.failed]
    waiting = Counter(shard_of[client] for client in silent)
    about = {
        "record": record.model_dump_json(),
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


def _hset(key: str, fields: Mapping[Any, Any]) -> Command:
    return ("HSET", key, *(part for field in fields.items() for part in field))
