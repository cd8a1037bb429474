-- Notes activity in a round. KEYS: round. ARGV: now (µs). Returns 1, or false where the round was never opened.
local round = KEYS[1]
local now = ARGV[1]

if redis.call('EXISTS', round) == 0 then
  return false
end
redis.call('HSET', round, 'last_activity', now)
return 1
