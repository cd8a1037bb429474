"""The schema of the ledger in Redis or Valkey: every key, and the format of times.

Each key begins with ``fedface:``. In the keys of a run follows the run's id in braces, the hash tag {run}, so that all keys
of a script are in one slot of a cluster. The last two columns name the methods of `RedisLedger` that write and delete a key.
No key expires.

    key                             type        content                                        written by           deleted
    ------------------------------- ----------- ---------------------------------------------- -------------------- ---------
    runs                            sorted set  run ids by creation                            create restore save¹ delete
    active                          sorted set  run ids by creation, without ended runs        create restore save¹ delete²
    {run}:run                       hash        version, phase, record (JSON of the Run)       create restore save  delete
    {run}:events                    stream      name, data (JSON): the whole audit trail       create restore save  delete
                                                                                               record_event
    deleted                         sorted set  ids of deleted runs by deletion (µs)⁸          delete               delete⁹
    leftovers                       sorted set  those in whose folder late objects may lie     delete               forget_
                                                                                                                    leftovers
    receivers                       hash        receiver → id before the first event for it    undelivered_runs     never
    {run}:delivered                 hash        receiver → id of the last event it was told of mark_delivered       delete
    {run}:failures                  hash        step that belongs to no round → its failures⁶  record_failure       delete⁷
    {run}:rounds                    set         numbers of the rounds that were opened         save³ restore        delete
    {run}:invited                   hash        client → training rounds it was invited to     save³ restore        delete
    {run}:answered                  hash        client → training rounds that accepted it      accept restore       delete
    {run}:round:{n}                 hash        record (JSON of the Round without its cohort), save restore         delete
                                                phase, deadline (µs);
                                                suspended_from: the phase that a pause found   save                 delete
                                                cohort (JSON), quorum                          save³ restore        delete
    {run}:round:{n}:activity        string      when the round's last activity was (µs)        save³ restore ⁴      delete
    {run}:round:{n}:members         hash        client → shard, of the whole cohort            save³ restore        delete
    {run}:round:{n}:unsettled       set         clients that were neither accepted nor failed  save³ restore accept delete
                                                                                               fail
    {run}:round:{n}:shards          hash        shard → how many of its clients are unsettled  save³ restore accept delete
                                                                                               fail
    {run}:round:{n}:accepted        hash        client → JSON of the AcceptedUpdate            accept restore       delete
    {run}:round:{n}:accepted_shards set         shards with an accepted update                 accept restore       delete
    {run}:round:{n}:failed          hash        client → why it sends no update                fail restore         delete
    {run}:round:{n}:deposits        hash        kind/client → SHA-256 of what it deposited     record_deposit       delete
    {run}:round:{n}:depositors      hash        kind/shard → how many of it have deposited     record_deposit       delete
    {run}:round:{n}:late            set         unsettled clients whose update came too late   record_late          delete
    {run}:round:{n}:attempts        hash        client → deliveries of its task                begin_attempt(s)     delete⁵
                                                                                               take_back_attempt
    {run}:round:{n}:waits          hash        client and what for → until when it waits (µs)  begin_wait           delete
    {run}:round:{n}:folded          set         shards whose partial is stored                 record_partial       delete
    {run}:round:{n}:failures        hash        step → its failures⁶                           record_failure       delete⁷

    ¹ of a run that is being deleted   ² and active_runs, of an ended run   ³ of the round that it opens
    accept is accept and accept_all
    ⁴ and begin_attempt(s) accept fail record_deposit record_partial touch
    ⁵ and save, of a round that comes to a phase which waits for clients
    ⁶ as three lines: the counts in a row and in total, and the times (µs) of the first one in a row and of the newest one;
      what the reason has in common with others of its kind; the newest reason
    ⁷ and save, of a run or a round in a new phase; accept, fail, record_deposit, record_partial and
      forget_failures remove one step
    ⁸ no run gets such an id again   ⁹ of another run, `DELETED_KEPT` later, or when there are `MOST_DELETED`

The scripts read no stored JSON. What they need of a run or a round is stored in fields of its own, next to the record.
What a script only reads is no key of the script but an argument: Redis lets nobody name a key to a script that they may
not write, and a client worker must not write the round (`fedface_core.access`).

A run and its places in the two indexes ``runs`` and ``active`` are written by one script, so FedFace needs a Redis that is
no cluster. Versions before wrote the indexes first: they may name a run that is not stored. Readers skip such a run, and
active_runs removes it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

RUNS: Final = "fedface:runs"
ACTIVE: Final = "fedface:active"
DELETED: Final = "fedface:deleted"
LEFTOVERS: Final = "fedface:leftovers"
RECEIVERS: Final = "fedface:receivers"
MOST_DELETED: Final = 100_000
"""The ledger remembers the ids of so many deleted runs, the newest ones."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class RunKeys(NamedTuple):
    """The keys of one run, without those of its rounds."""

    run: str
    events: str
    rounds: str
    invited: str
    answered: str
    failures: str
    delivered: str


class RoundKeys(NamedTuple):
    """The keys of one round."""

    round: str
    members: str
    unsettled: str
    shards: str
    accepted: str
    accepted_shards: str
    failed: str
    deposits: str
    depositors: str
    late: str
    attempts: str
    waits: str
    folded: str
    failures: str
    activity: str


def run_keys(run_id: str) -> RunKeys:
    """The keys of the run with this id."""
    return RunKeys(*(f"fedface:{{{run_id}}}:{part}" for part in RunKeys._fields))


def round_keys(run_id: str, number: int) -> RoundKeys:
    """The keys of round ``number`` of a run."""
    key = f"fedface:{{{run_id}}}:round:{number}"
    return RoundKeys(key, *(f"{key}:{part}" for part in RoundKeys._fields[1:]))


def run_key_patterns() -> RunKeys:
    """The keys of all runs, each as one pattern of Redis."""
    return run_keys("*")


def round_key_patterns() -> RoundKeys:
    """The keys of all rounds, each as one pattern of Redis. No pattern matches a key of another field."""
    key = "fedface:{*}:round:*"
    return RoundKeys(f"{key}[0-9]", *(f"{key}:{part}" for part in RoundKeys._fields[1:]))


def to_microseconds(time: datetime) -> int:
    """An aware datetime as whole microseconds since the start of 1970 in UTC: below 2^53, so that Lua holds them exactly."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def from_microseconds(microseconds: int) -> datetime:
    """The aware datetime, in UTC, that is ``microseconds`` after the start of 1970."""
    return _EPOCH + timedelta(microseconds=microseconds)
