-- create.lua: stores a run that the ledger does not have, and its first event.
--
-- KEYS     1 run, 2 its events
-- ARGV     1 version, 2 record (JSON), 3 phase, 4 event's name, 5 event's data (JSON)
-- Returns  1 if it is stored; 0, and nothing has changed, if the id is taken.
local run, events = unpack(KEYS)
local version, record, phase, name, data = unpack(ARGV)

if redis.call('EXISTS', run) == 1 then
  return 0
end
redis.call('HSET', run, 'version', version, 'record', record, 'phase', phase)
redis.call('XADD', events, '*', 'name', name, 'data', data)
return 1
