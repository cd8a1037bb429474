-- record_late.lua: records that the update of an invited client came too late to count in a round.
--
-- KEYS     1 the round's unsettled clients, 2 its late clients
-- ARGV     1 the key of the round, which is only read, 2 client
-- Returns  1; false if the round was never opened. Nothing has changed if the result is false, or if the client is not
--          unsettled.
local unsettled, late = unpack(KEYS)
local round, client = unpack(ARGV)

if redis.call('EXISTS', round) == 0 then
  return false
end
if redis.call('SISMEMBER', unsettled, client) == 1 then
  redis.call('SADD', late, client)
end
return 1
