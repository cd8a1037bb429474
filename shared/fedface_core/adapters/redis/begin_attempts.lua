-- begin_attempts.lua: counts one delivery of the tasks of some clients, and records activity in the round.
--
-- KEYS     1 the round's unsettled clients, 2 its attempts, 3 its last activity
-- ARGV     1 and 2 the keys of the round and of its accepted updates, which are only read, 3 the time (µs), or '' for the
--          server's, then the clients in order, one at least
-- Returns  for each of the first clients, and for one at least, how many attempts of it were counted, 1 at first; 0 if the
--          round waits for no clients or not for this one: it waits for the unsettled ones, and while it is being unmasked for
--          those that were accepted; false if the round was never opened. Of a client whose count is 0 nothing has changed. A
--          client of which an attempt was counted before is the only one that is counted: clients after it, and it itself if
--          one is counted before it, are left out.
local unsettled, attempts, activity = unpack(KEYS)
local round, accepted, given = unpack(ARGV)
local FIRST = 4

local phase = redis.call('HGET', round, 'phase')
if not phase then
  return false
end
local counts = {}
local begun = false
for place = FIRST, #ARGV do
  local client = ARGV[place]
  local awaited = 0
  if phase == 'open' or phase == 'registering' or phase == 'sharing' then
    awaited = redis.call('SISMEMBER', unsettled, client)
  elseif phase == 'unmasking' then
    awaited = redis.call('HEXISTS', accepted, client)
  end
  if awaited == 0 then
    counts[#counts + 1] = 0
  else
    local again = (redis.call('HGET', attempts, client) or '0') ~= '0'
    if again and begun then
      break
    end
    counts[#counts + 1] = redis.call('HINCRBY', attempts, client, 1)
    begun = true
    if again then
      break
    end
  end
end
if begun then
  redis.call('SET', activity, time_of_ledger(given))
end
return counts
