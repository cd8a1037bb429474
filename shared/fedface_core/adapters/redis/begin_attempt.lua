-- begin_attempt.lua: counts one delivery of a client's task, and records activity in the round.
--
-- KEYS     1 the round's unsettled clients, 2 its attempts, 3 its last activity
-- ARGV     1 the key of the round, which is only read, 2 client, 3 the time (µs), or '' for the server's
-- Returns  how many attempts of the client were counted, 1 at first; 0 if the round is not open or the client is not
--          unsettled; false if the round was never opened. Nothing has changed if the result is 0 or false.
local unsettled, attempts, activity = unpack(KEYS)
local round, client, given = unpack(ARGV)

local phase = redis.call('HGET', round, 'phase')
if not phase then
  return false
end
if phase ~= 'open' or redis.call('SISMEMBER', unsettled, client) == 0 then
  return 0
end
redis.call('SET', activity, time_of_ledger(given))
return redis.call('HINCRBY', attempts, client, 1)
