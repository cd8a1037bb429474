-- touch.lua: records activity in a round.
--
-- KEYS     1 round
-- ARGV     1 the time (µs), or '' for the server's
-- Returns  1; false if the round was never opened. Nothing has changed if the result is false.
local round = KEYS[1]
local given = ARGV[1]

if redis.call('EXISTS', round) == 0 then
  return false
end
redis.call('HSET', round, 'last_activity', time_of_ledger(given))
return 1
