-- record_partial.lua: records that a shard's partial is stored, and activity in the round.
--
-- KEYS     1 round, 2 its shards with an accepted update, 3 its folded shards
-- ARGV     1 shard, 2 the time (µs), or '' for the server's
-- Returns  1 if the round is not open and each shard with an accepted update is folded, else 0; false if the round was never
--          opened. Nothing has changed if the result is false.
local round, accepted_shards, folded = unpack(KEYS)
local shard, given = unpack(ARGV)

local phase = redis.call('HGET', round, 'phase')
if not phase then
  return false
end
redis.call('SADD', folded, shard)
redis.call('HSET', round, 'last_activity', time_of_ledger(given))
if phase == 'open' or #redis.call('SDIFF', accepted_shards, folded) > 0 then
  return 0
end
return 1
