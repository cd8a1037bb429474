-- touch.lua: records activity in a round.
--
-- KEYS     1 round, 2 its last activity
-- ARGV     1 the time (µs), or '' for the server's
-- Returns  1; false if the round was never opened. Nothing has changed if the result is false.
local round, activity = unpack(KEYS)
local given = ARGV[1]

if redis.call('EXISTS', round) == 0 then
  return false
end
redis.call('SET', activity, time_of_ledger(given))
return 1
