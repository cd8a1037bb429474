-- take_back_attempt.lua: counts one attempt of a client fewer.
--
-- KEYS     1 the round's attempts
-- ARGV     1 the key of the round, which is only read, 2 client
-- Returns  1; false if the round was never opened. Nothing has changed if the result is false, or if none was counted.
local attempts = unpack(KEYS)
local round, client = unpack(ARGV)

if redis.call('EXISTS', round) == 0 then
  return false
end
if tonumber(redis.call('HGET', attempts, client) or 0) > 0 then
  redis.call('HINCRBY', attempts, client, -1)
end
return 1
