"""The keys of the ledger in Redis, and how it writes a moment and an event.

Keys, all under ``fedface:``. A run's keys share the hash tag {run}, so that each script touches one slot.

    runs                            sorted set  run ids by creation; may name a run whose creation was cut short
    active                          sorted set  the same, less runs found ended; those being deleted are in it again
    {run}:run                       hash        version, phase, record (JSON of the Run)
    {run}:events                    stream      name, data (JSON): the audit trail, never trimmed
    {run}:rounds                    set         numbers of the rounds that were opened
    {run}:invited                   hash        client → training rounds it was invited to
    {run}:answered                  hash        client → training rounds its update was accepted in
    {run}:round:{n}                 hash        record (JSON of the Round but for its cohort), cohort (JSON), phase, quorum,
                                                deadline and last_activity (µs)
    {run}:round:{n}:members         hash        client → shard, the whole cohort
    {run}:round:{n}:unsettled       set         clients neither accepted nor failed
    {run}:round:{n}:shards          hash        shard → how many of its clients are unsettled
    {run}:round:{n}:accepted        hash        client → JSON of the AcceptedUpdate
    {run}:round:{n}:accepted_shards set         shards with an accepted update
    {run}:round:{n}:failed          hash        client → reason
    {run}:round:{n}:attempts        hash        client → deliveries of its task
    {run}:round:{n}:folded          set         shards whose partial is stored
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from fedface_core.ports import RecordedEvent

RUNS, ACTIVE = "fedface:runs", "fedface:active"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def run_key(run_id: str) -> str:
    """The run itself."""
    return f"fedface:{{{run_id}}}:run"


def events_key(run_id: str) -> str:
    """The run's audit trail."""
    return f"fedface:{{{run_id}}}:events"


def rounds_key(run_id: str) -> str:
    """The numbers of the run's rounds."""
    return f"fedface:{{{run_id}}}:rounds"


def participation_keys(run_id: str) -> list[str]:
    """How often each client was invited, and how often its update was accepted."""
    return [f"fedface:{{{run_id}}}:invited", f"fedface:{{{run_id}}}:answered"]


def round_key(run_id: str, number: int) -> str:
    """The round itself."""
    return f"fedface:{{{run_id}}}:round:{number}"


def round_keys(run_id: str, number: int) -> list[str]:
    """The round and all that belongs to it, in the order that the scripts take them."""
    key = round_key(run_id, number)
    parts = ("members", "unsettled", "shards", "accepted", "accepted_shards", "failed", "attempts", "folded")
    return [key, *(f"{key}:{part}" for part in parts)]


def micros(moment: datetime) -> int:
    """Whole microseconds since 1970: exact, and below the 2^53 that Lua's numbers hold exactly."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment_of(microseconds: int) -> datetime:
    """The inverse of `micros`."""
    return _EPOCH + timedelta(microseconds=microseconds)


def recorded_event(entry_id: str, fields: Mapping[str, str]) -> RecordedEvent:
    """An entry of the stream of events. Its id begins with the server's milliseconds since 1970."""
    at = moment_of(1000 * int(entry_id.split("-")[0]))
    return RecordedEvent(id=entry_id, at=at, name=fields["name"], data=json.loads(fields["data"]))
