-- begin_wait.lua: begins a wait of a client in a round, unless it has begun before.
--
-- KEYS     1 the waits of a round
-- ARGV     1 the key of the round, which is only read, 2 client and what it waits for, 3 how long (µs),
--          4 the time (µs), or '' for the server's
-- Returns  how long it still waits (µs), 0 or less if the wait is over; false if the round was never opened. Nothing has
--          changed if the result is false.
local waits = unpack(KEYS)
local round, wait, duration, given = unpack(ARGV)
local now = tonumber(time_of_ledger(given))

if redis.call('EXISTS', round) == 0 then
  return false
end
local due = tonumber(redis.call('HGET', waits, wait) or now + duration)
redis.call('HSETNX', waits, wait, string.format('%.0f', due))
return string.format('%.0f', due - now)
