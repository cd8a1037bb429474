-- Notes activity in a round, and counts an attempt of a client where one is named.
-- KEYS: round, attempts. ARGV: now (µs), client or ''.
-- Returns the client's attempts, or false where the round was never opened.
local round, attempts = unpack(KEYS)
local now, client = unpack(ARGV)

if redis.call('EXISTS', round) == 0 then
  return false
end
redis.call('HSET', round, 'last_activity', now)
if client == '' then
  return 0
end
return redis.call('HINCRBY', attempts, client, 1)
