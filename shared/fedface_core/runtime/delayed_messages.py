"""Messages that come into their queue later, by the clock of the Redis server. A worker holds no place for them meanwhile.

They wait in the broker, at most `MOST_WAITING` of a queue; its workers move what is due. One command waits once, however
often it is published. Celery's own delay (ETA) would have a worker take the message at once, and hold it.
"""

from __future__ import annotations

import threading
from typing import Any, Final

import redis
import structlog
from redis.exceptions import RedisError

from fedface_core.contracts.broker_keys import delayed_keys

log = structlog.get_logger(__name__)

MOST_WAITING: Final = 20_000
"""A message takes a kilobyte."""
MOVE_SECONDS: Final = 0.25
"""How often a worker looks for messages that are due."""
_MOST_MOVED: Final = 500  # a bound on how long one look keeps the broker busy

# KEYS 1 ids by the time when they are due (µs), 2 id → message; ARGV 1 id, 2 message, 3 the delay (µs), 4 the most
# Returns 1 if the message waits now, or waited before; 0 if too many wait.
_DELAY: Final = """
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 1 end
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then return 0 end
local seconds, microseconds = unpack(redis.call('TIME'))
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[1], seconds * 1000000 + microseconds + ARGV[3], ARGV[1])
return 1
"""
# KEYS 1 and 2 as above, 3 the queue; ARGV 1 the most. Returns how many messages were moved.
_MOVE: Final = """
local seconds, microseconds = unpack(redis.call('TIME'))
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', seconds * 1000000 + microseconds, 'LIMIT', 0, ARGV[1])
for _, id in ipairs(ids) do
  local message = redis.call('HGET', KEYS[2], id)
  redis.call('ZREM', KEYS[1], id)
  if message then
    redis.call('LPUSH', KEYS[3], message)
    redis.call('HDEL', KEYS[2], id)
  end
end
return #ids
"""


def delay(client: redis.Redis, queue: str, message_id: str, message: str, seconds: float) -> bool:
    """Have the message come into the queue after ``seconds``, unless one with its id waits already.

    False if as many messages wait as may; then this one is lost.
    """
    keys = delayed_keys(queue)
    return bool(client.eval(_DELAY, 2, *keys, message_id, message, round(seconds * 1e6), MOST_WAITING))


def move_due(client: redis.Redis, queue: str) -> int:
    """Move messages that are due into their queue. Returns how many."""
    moved: Any = client.eval(_MOVE, 3, *delayed_keys(queue), queue, _MOST_MOVED)
    return int(moved)


def keep_moving(client: redis.Redis, queue: str, stopped: threading.Event) -> None:
    """Move what is due until ``stopped`` is set. A broker that is away is tried again; that is logged when it begins."""
    failing = False
    while not stopped.wait(MOVE_SECONDS):
        try:
            while move_due(client, queue) == _MOST_MOVED:
                pass
            failing = False
        except RedisError as error:
            if not failing:
                log.warning("delayed_messages_stay", queue=queue, reason=str(error))
            failing = True
