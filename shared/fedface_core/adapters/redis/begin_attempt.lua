-- Counts one delivery of a client's task. KEYS: round, unsettled, attempts. ARGV: client, now (µs).
-- Returns the client's attempts; 0 where there is nothing to do; false where the round was never opened.
local round, unsettled, attempts = unpack(KEYS)
local client, now = unpack(ARGV)

local phase = redis.call('HGET', round, 'phase')
if not phase then
  return false
end
if phase ~= 'open' or redis.call('SISMEMBER', unsettled, client) == 0 then
  return 0
end
redis.call('HSET', round, 'last_activity', now)
return redis.call('HINCRBY', attempts, client, 1)
