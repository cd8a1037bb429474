-- take_back_attempt.lua: counts one attempt of a client fewer.
--
-- KEYS     1 round, 2 its attempts
-- ARGV     1 client
-- Returns  1; false if the round was never opened. Nothing has changed if the result is false, or if none was counted.
local round, attempts = unpack(KEYS)
local client = ARGV[1]

if redis.call('EXISTS', round) == 0 then
  return false
end
if tonumber(redis.call('HGET', attempts, client) or 0) > 0 then
  redis.call('HINCRBY', attempts, client, -1)
end
return 1
