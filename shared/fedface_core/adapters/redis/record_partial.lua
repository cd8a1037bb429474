-- record_partial.lua: records that a shard's partial is stored, and activity in the round. The shard's failures are removed.
--
-- KEYS     1 the round's folded shards, 2 its failures, 3 its last activity
-- ARGV     1 and 2 the keys of the round and of its shards with an accepted update, which are only read, 3 shard,
--          4 the time (µs), or '' for the server's, 5 the step that folds the shard
-- Returns  1 if the round is not open and each shard with an accepted update is folded, else 0; false if the round was never
--          opened. Nothing has changed if the result is false.
local folded, failures, activity = unpack(KEYS)
local round, accepted_shards, shard, given, step = unpack(ARGV)

local phase = redis.call('HGET', round, 'phase')
if not phase then
  return false
end
redis.call('SADD', folded, shard)
redis.call('HDEL', failures, step)
redis.call('SET', activity, time_of_ledger(given))
if phase == 'open' or #redis.call('SDIFF', accepted_shards, folded) > 0 then
  return 0
end
return 1
