-- delete.lua: removes a run's own records and its places in the indexes, and remembers its id as that of a deleted run.
--
-- KEYS     1 all runs, 2 active runs, 3 deleted runs, 4 those that may have leftovers, then the run's own keys
-- ARGV     1 the run's id, 2 the time (µs), or '' for the server's, 3 for how long ids are remembered (µs), '' if this one is
--          not, 4 of how many runs at most
-- Returns  1 if there was such a run; 0 if not: then no id is remembered. It is carried out though the memory of the server is
--          full: Redis lets a script go on that begins with a command which takes no memory.
local existed = redis.call('DEL', unpack(KEYS, 5)) > 0
local runs, active, deleted, leftovers = unpack(KEYS)
local id, given, kept, most = unpack(ARGV)

redis.call('ZREM', runs, id)
redis.call('ZREM', active, id)
if not existed then
  return 0
end
if kept == '' then
  return 1
end
local now = time_of_ledger(given)
redis.call('ZREMRANGEBYSCORE', deleted, '-inf', string.format('(%d', tonumber(now) - tonumber(kept)))
redis.call('ZADD', deleted, now, id)
redis.call('ZREMRANGEBYRANK', deleted, 0, -1 - tonumber(most))
redis.call('ZADD', leftovers, now, id)
return 1
