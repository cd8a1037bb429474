-- Records that a shard's partial is stored. KEYS: round, accepted shards, folded. ARGV: shard, now (µs).
-- Returns 1 where the round is closed and no accepted shard is unfolded, else 0; false where it was never opened.
local round, accepted_shards, folded = unpack(KEYS)
local shard, now = unpack(ARGV)

local phase = redis.call('HGET', round, 'phase')
if not phase then
  return false
end
redis.call('SADD', folded, shard)
redis.call('HSET', round, 'last_activity', now)
if phase == 'open' or #redis.call('SDIFF', accepted_shards, folded) > 0 then
  return 0
end
return 1
