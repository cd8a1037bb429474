-- begin_attempt.lua: counts one delivery of a client's task, as activity in the round.
--
-- KEYS     1 round, 2 its unsettled clients, 3 its attempts
-- ARGV     1 client, 2 now (µs)
-- Returns  the client's attempts, from 1 on; 0 if there is nothing to do: the round is not open, or the client is not
--          unsettled; false if the round was never opened. Only a count from 1 on has changed anything.
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
