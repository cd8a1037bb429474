-- begin_attempt.lua: counts one delivery of a client's task, and records activity in the round.
--
-- KEYS     1 the round's unsettled clients, 2 its attempts, 3 its last activity
-- ARGV     1 and 2 the keys of the round and of its accepted updates, which are only read, 3 client, 4 the time (µs), or ''
--          for the server's
-- Returns  how many attempts of the client were counted, 1 at first; 0 if the round waits for no clients or not for this one:
--          it waits for the unsettled ones, and while it is being unmasked for those that were accepted; false if the round was never opened. Nothing has changed if the result is 0 or false.
local unsettled, attempts, activity = unpack(KEYS)
local round, accepted, client, given = unpack(ARGV)

local phase = redis.call('HGET', round, 'phase')
if not phase then
  return false
end
local awaited = 0
if phase == 'open' or phase == 'registering' or phase == 'sharing' then
  awaited = redis.call('SISMEMBER', unsettled, client)
elseif phase == 'unmasking' then
  awaited = redis.call('HEXISTS', accepted, client)
end
if awaited == 0 then
  return 0
end
redis.call('SET', activity, time_of_ledger(given))
return redis.call('HINCRBY', attempts, client, 1)
