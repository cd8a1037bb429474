"""What stores an ended round in Redis: the same keys as the scripts leave behind, all at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from fedface_core.adapters.redis_keys import micros, participation_keys, round_keys, rounds_key
from fedface_core.ports import EndedRound

Command = tuple[Any, ...]


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
