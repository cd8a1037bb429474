-- begin_attempt.lua: counts one delivery of a client's task, and records activity in the round.
--
-- KEYS     1 round, 2 its unsettled clients, 3 its attempts
-- ARGV     1 client, 2 the time (µs), or '' for the server's
-- Returns  how many attempts of the client were counted, 1 at first; 0 if the round is not open or the client is not
--          unsettled; false if the round was never opened. Nothing has changed if the result is 0 or false.
local round, unsettled, attempts = unpack(KEYS)
local client, given = unpack(ARGV)

local phase = redis.call('HGET', round, 'phase')
if not phase then
  return false
end
if phase ~= 'open' or redis.call('SISMEMBER', unsettled, client) == 0 then
  return 0
end
redis.call('HSET', round, 'last_activity', time_of_ledger(given))
return redis.call('HINCRBY', attempts, client, 1)
