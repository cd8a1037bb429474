"""Workers say in the broker that they are there, and control reads who takes from a queue.

Each worker dates itself every few seconds, by the clock of the Redis server, and takes its word back when it ends. One that
was killed is not counted any more after `FORGOTTEN_SECONDS`.
"""

from __future__ import annotations

import threading
from typing import Any, Final

import redis
import structlog
from pydantic import ValidationError
from redis.exceptions import RedisError

from fedface_core.contracts.broker_keys import workers_key
from fedface_core.ports.publisher import WorkerPresence

log = structlog.get_logger(__name__)

SAY_SECONDS: Final = 2.0
FORGOTTEN_SECONDS: Final = 10.0
MOST_NAMED: Final = 1000
"""Workers of a queue that are remembered; of more, those that spoke last."""

# KEYS 1 the workers of a queue by the time (s) when they spoke last; ARGV 1 the worker, 2 the most, 3 seconds to remember
_SAY: Final = """
local seconds = tonumber(redis.call('TIME')[1])
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', seconds - ARGV[3])) do
  redis.call('ZREM', KEYS[1], gone)
end
redis.call('ZADD', KEYS[1], seconds, ARGV[1])
for _, extra in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1 - ARGV[2])) do
  redis.call('ZREM', KEYS[1], extra)
end
"""


def say(client: redis.Redis, queue: str, worker: WorkerPresence) -> None:
    """Say once that this worker takes from the queue."""
    client.eval(_SAY, 1, workers_key(queue), worker.model_dump_json(), MOST_NAMED, FORGOTTEN_SECONDS)


def keep_saying(client: redis.Redis, queue: str, worker: WorkerPresence, stopped: threading.Event) -> None:
    """Say it every few seconds until ``stopped`` is set, and then take it back.

    A broker that is away, or refuses it, is tried again; that is logged when it begins.
    """
    failing = False
    while True:
        try:
            say(client, queue, worker)
            failing = False
        except RedisError as error:
            if not failing:
                log.warning("presence_not_said", queue=queue, reason=str(error))
            failing = True
        if stopped.wait(SAY_SECONDS):
            break
    try:
        client.zrem(workers_key(queue), worker.model_dump_json())
    except RedisError as error:
        log.debug("presence_not_taken_back", queue=queue, reason=str(error))


def workers_of(client: redis.Redis, queue: str) -> list[WorkerPresence]:
    """The workers that have said within `FORGOTTEN_SECONDS` that they take from the queue. Others' words are left out."""
    answer: Any = client.time()
    seconds, _ = answer
    key = workers_key(queue)
    said: Any = client.zrange(key, seconds - FORGOTTEN_SECONDS, "+inf", byscore=True, offset=0, num=MOST_NAMED)
    found = []
    for one in said:
        try:
            found.append(WorkerPresence.model_validate_json(one))
        except ValidationError:
            log.warning("presence_unreadable", queue=queue)
    return found
