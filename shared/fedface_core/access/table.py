"""The table: what each service may do in Redis and in S3. Whatever is not here, the servers refuse.

In Redis a service has up to four grants: it reads records, settles or records what it did, takes messages from its own queue
and publishes to others. In S3 a client worker simulates many clients, so it may read the row of each, but no class
embeddings as a whole. Control never reads an update, a row, class embeddings or a residual; it lists and removes them.
Nobody but client workers reads shares that are sealed for a client and are not its maker's, or a journal.
"""

from __future__ import annotations

from typing import Final

from fedface_core.access.permissions import Identity, Permissions, RedisGrant, StoreGrant
from fedface_core.adapters.redis.api_keys import API_KEYS, USED_ON
from fedface_core.adapters.redis.keys import RUNS, round_key_patterns, run_key_patterns
from fedface_core.contracts.broker_keys import (
    DEAD_LETTERS,
    NOTHING,
    binding_keys,
    came_back_key,
    delayed_keys,
    unacked_keys,
    workers_key,
)
from fedface_core.contracts.tasks import AGGREGATOR, CLIENT, CONTROL, EVALUATOR, QUEUES, device_queue
from fedface_core.domain.device_kinds import CUDA

_RUN: Final = run_key_patterns()
_ROUND: Final = round_key_patterns()

REQUEST_COUNTS: Final = "fedface-api:limits:*"
"""How many requests an actor has sent, and how many sign-ins have failed: the API counts them (`fedface_control.auth`)."""
_TRANSACTION: Final = ("multi", "exec", "discard", "watch", "unwatch")
_SCRIPT: Final = ("evalsha", "script|load")
_READ: Final = (
    *("exists", "get", "hexists", "hget", "hgetall", "hkeys", "hlen", "hmget", "scard", "sdiff", "sismember", "smembers"),
    *("sscan", "xlen", "xrange", "xrevrange", "zcard", "zrange", "zrevrange", "zrevrank"),
)
_WRITE: Final = ("del", "hdel", "hincrby", "hset", "hsetnx", "sadd", "set", "srem", "xadd", "zadd", "zrem")

_OF_DELETED: Final = ("zscore", "zrangebyscore", "zremrangebyscore", "zremrangebyrank")

_CONNECT: Final = RedisGrant(
    "connect, and check that the server takes writes",
    (
        # Redis 7.0 knows no client|setinfo, and refuses a file that names it. redis-py goes on without.
        *("ping", "hello", "select", "client|setname", "info", "time", "setrange"),
        *_TRANSACTION,
    ),
    writes=(NOTHING,),
)


def _takes_from(queue: str) -> RedisGrant:
    """Take messages from the queue, acknowledge them, put them off, and put back those of a worker that has died.

    Workers say there that they are at work. What cannot be read goes to the dead letters of all queues, which a worker may
    add to and bound in length.
    """
    kept = (
        *unacked_keys(queue).values(),
        *binding_keys(queue),
        *delayed_keys(queue),
        came_back_key(queue),
        workers_key(queue),
    )
    keys = (queue, *kept, DEAD_LETTERS)
    commands = (
        *("brpop", "llen", "lpush", "rpush", "hget", "hset", "hdel", "zadd", "zrem", "zrange", "zrevrangebyscore"),
        *("zscore", "zcard", "zrangebyscore", "xadd", "get", "set", "del", "sadd", "srem", "smembers", "eval", *_SCRIPT),
        "watch",  # kombu puts back what a process had that has died in a transaction
    )
    return RedisGrant(f"take messages from {queue}", commands, reads=keys, writes=keys)


def _publishes_to(*queues: str) -> RedisGrant:
    return RedisGrant(f"publish to {', '.join(queues)}", ("lpush", "llen"), writes=queues)


def _reads(*keys: str) -> RedisGrant:
    return RedisGrant("read records", _READ, reads=keys)


def _records(what: str, writes: tuple[str, ...], reads: tuple[str, ...] = ()) -> RedisGrant:
    """Write these keys by the ledger's scripts, or without them, and read others in the same command."""
    return RedisGrant(what, (*_READ, "hset", "hdel", "hincrby", "sadd", "srem", "set", *_SCRIPT), (*reads, *writes), writes)


_FAILURES: Final = (_RUN.failures, _ROUND.failures)
_EVERY_RECORD: Final = RedisGrant(
    "read and write all records", (*_READ, *_WRITE, *_OF_DELETED, *_SCRIPT), reads=("fedface:*",), writes=("fedface:*",)
)

_API_KEYS: Final = RedisGrant(
    "keep API keys",
    ("hdel", "hexists", "hget", "hgetall", "hlen", "hset", "hsetnx"),
    reads=(API_KEYS, USED_ON),
    writes=(API_KEYS, USED_ON),
)
_WAITING_FOR_THE_DISK: Final = RedisGrant(
    "wait until the disk has what was written",
    ("@blocking",),  # of these WAIT and WAITAOF stay; Redis 7.0 does not know the second one
    without=("@list", "@sortedset", "@stream"),
)
_REQUEST_COUNTS: Final = RedisGrant(
    "count requests", ("expire", "get", "incrby", "ttl", *_SCRIPT), reads=(REQUEST_COUNTS,), writes=(REQUEST_COUNTS,)
)

_KEPT_BY_CONTROL: Final = ("run", "manifest", "claim", "earlier_runs")

TABLE: Final = {
    Identity.CONTROL: Permissions(
        redis=(_CONNECT, _EVERY_RECORD, _API_KEYS, _WAITING_FOR_THE_DISK, _REQUEST_COUNTS, _publishes_to(*QUEUES)),
        store=StoreGrant(
            reads=(*_KEPT_BY_CONTROL, "aggregation", "report", "model", "upload", "clock"),
            puts=(*_KEPT_BY_CONTROL, "accepted_set", "model", "upload"),
            lists_and_removes=True,
        ),
    ),
    Identity.SWEEP: Permissions(
        redis=(_CONNECT, _EVERY_RECORD, _takes_from(CONTROL), _publishes_to(*QUEUES)),
        store=StoreGrant(
            reads=(*_KEPT_BY_CONTROL, "aggregation", "upload"),
            puts=(*_KEPT_BY_CONTROL, "accepted_set"),
            lists_and_removes=True,
        ),
    ),
    Identity.CLIENT: Permissions(
        redis=(
            _CONNECT,
            _reads(_RUN.run, _ROUND.round),
            _records(
                "settle clients of a round",
                (
                    *(_ROUND.unsettled, _ROUND.shards, _ROUND.accepted, _ROUND.accepted_shards, _ROUND.failed, _ROUND.late),
                    *(
                        _ROUND.deposits,
                        _ROUND.depositors,
                        _ROUND.attempts,
                        _ROUND.waits,
                        _ROUND.activity,
                        _RUN.answered,
                        *_FAILURES,
                    ),
                ),
                reads=(_ROUND.round, _ROUND.members, _RUN.run),
            ),
            _takes_from(CLIENT),
            _takes_from(device_queue(CLIENT, CUDA)),
            _publishes_to(CONTROL, AGGREGATOR),
        ),
        store=StoreGrant(
            reads=(
                *("model", "guidance", "identity_list", "row", "update", "residual"),
                *("device", "roster", "received_share", "accepted_set", "signature", "journal"),
            ),
            puts=(
                *("update", "residual", "identity_list"),
                *("device", "key_bundle", "signature", "revelation", "journal"),
            ),
        ),
    ),
    Identity.AGGREGATOR: Permissions(
        redis=(
            _CONNECT,
            _reads(_RUN.run, _ROUND.round, _ROUND.accepted, _ROUND.failed, _ROUND.deposits),
            _records(
                "record partials",
                (_ROUND.folded, _ROUND.activity, *_FAILURES),
                reads=(_ROUND.round, _ROUND.accepted_shards, _RUN.run),
            ),
            _takes_from(AGGREGATOR),
            _publishes_to(CONTROL),
        ),
        store=StoreGrant(
            reads=(
                *("update", "partial", "aggregation", "model", "class_embedding", "server_state", "identity_list"),
                *("device", "key_bundle", "roster", "accepted_set", "revelation"),
            ),
            puts=(
                *("partial", "aggregation", "claim", "model", "class_embedding", "row", "server_state", "guidance"),
                *("received_share", "roster"),
            ),
        ),
    ),
    Identity.EVALUATOR: Permissions(
        redis=(
            _CONNECT,
            _reads(
                *(RUNS, _RUN.run, _RUN.rounds, _ROUND.round),
                *(_ROUND.members, _ROUND.accepted, _ROUND.failed, _ROUND.unsettled, _ROUND.late),
            ),
            _records("record its failures", _FAILURES, reads=(_RUN.run, _ROUND.round)),
            _takes_from(EVALUATOR),
            _takes_from(device_queue(EVALUATOR, CUDA)),
            _publishes_to(CONTROL),
        ),
        store=StoreGrant(reads=("model", "identity_list", "report"), puts=("report",)),
    ),
    Identity.METRICS: Permissions(),
    Identity.GATEWAY: Permissions(),
}
"""Identity → what it may do."""
