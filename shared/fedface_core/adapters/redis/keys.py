"""The schema of the ledger in Redis or Valkey: every key, and how a moment is written.

Each key begins with ``fedface:``. A run's keys go on with its id in braces, the hash tag {run}, so that a script's keys lie
in one slot of a cluster. The last two columns name methods of `RedisLedger`. Nothing expires by itself.

    key                             type        what it holds                                  written by           goes with
    ------------------------------- ----------- ---------------------------------------------- -------------------- ---------
    runs                            sorted set  run ids by creation                            create restore save¹ delete
    active                          sorted set  run ids by creation, less runs found ended     create restore save¹ delete²
    {run}:run                       hash        version, phase, record (JSON of the Run)       create restore save  delete
    {run}:events                    stream      name, data (JSON): the audit trail, untrimmed  create restore save  delete
                                                                                               note
    {run}:rounds                    set         numbers of the rounds that were opened         save³ restore        delete
    {run}:invited                   hash        client → training rounds it was invited to     save³ restore        delete
    {run}:answered                  hash        client → training rounds that took its update  accept restore       delete
    {run}:round:{n}                 hash        record (JSON of the Round less its cohort),    save restore         delete
                                                phase, deadline (µs);
                                                cohort (JSON), quorum;                         save³ restore        delete
                                                last_activity (µs)                             save³ restore ⁴      delete
    {run}:round:{n}:members         hash        client → shard: the whole cohort               save³ restore        delete
    {run}:round:{n}:unsettled       set         clients that were neither accepted nor failed  save³ restore accept delete
                                                                                               fail
    {run}:round:{n}:shards          hash        shard → how many of its clients are unsettled  save³ restore accept delete
                                                                                               fail
    {run}:round:{n}:accepted        hash        client → JSON of the AcceptedUpdate            accept restore       delete
    {run}:round:{n}:accepted_shards set         shards with an accepted update                 accept restore       delete
    {run}:round:{n}:failed          hash        client → why it sends no update                fail restore         delete
    {run}:round:{n}:attempts        hash        client → deliveries of its task                begin_attempt        delete⁵
    {run}:round:{n}:folded          set         shards whose partial is stored                 record_partial       delete

    ¹ of a run that is being deleted   ² and active_runs, of an ended run   ³ of the round that it opens
    ⁴ and begin_attempt accept fail record_partial touch   ⁵ and save, of a round that it reopens

The scripts read no stored JSON: what they have to know of a run or a round stands in fields of its own, beside the record.

The two indexes, ``runs`` and ``active``, lie in other slots than the runs, so no script can write both. The indexes are
written first: they may name a run that is not stored, since its creation was cut short, and readers skip it; a run that is
stored and missing in them would never be found.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

RUNS: Final = "fedface:runs"
ACTIVE: Final = "fedface:active"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class RunKeys(NamedTuple):
    """The keys of one run, but for those of its rounds."""

    run: str
    events: str
    rounds: str
    invited: str
    answered: str


class RoundKeys(NamedTuple):
    """The keys of one round."""

    round: str
    members: str
    unsettled: str
    shards: str
    accepted: str
    accepted_shards: str
    failed: str
    attempts: str
    folded: str


def run_keys(run_id: str) -> RunKeys:
    """Where the run with this id is kept."""
    return RunKeys(*(f"fedface:{{{run_id}}}:{part}" for part in RunKeys._fields))


def round_keys(run_id: str, number: int) -> RoundKeys:
    """Where round ``number`` of a run is kept."""
    key = f"fedface:{{{run_id}}}:round:{number}"
    return RoundKeys(key, *(f"{key}:{part}" for part in RoundKeys._fields[1:]))


def micros(moment: datetime) -> int:
    """Whole microseconds since 1970: exact, and below the 2^53 that Lua's numbers hold exactly."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment_of(microseconds: int) -> datetime:
    """The moment that is so many microseconds after 1970 began, in UTC: the inverse of `micros`."""
    return _EPOCH + timedelta(microseconds=microseconds)
