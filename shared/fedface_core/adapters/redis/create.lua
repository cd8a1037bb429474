-- create.lua: stores a new run, its place in the indexes of all runs and of active runs, and its first event.
--
-- KEYS     1 run, 2 its events, 3 all runs, 4 active runs
-- ARGV     1 version, 2 record (JSON), 3 phase, 4 event's name, 5 event's data (JSON), 6 the run's id, 7 its place
-- Returns  1 if the run is stored; 0 if the ledger has a run with this id. Nothing has changed if the result is 0.
local run, events, runs, active = unpack(KEYS)
local version, record, phase, name, data, id, place = unpack(ARGV)

if redis.call('EXISTS', run) == 1 then
  return 0
end
redis.call('HSET', run, 'version', version, 'record', record, 'phase', phase)
redis.call('ZADD', runs, 'NX', place, id)
redis.call('ZADD', active, 'NX', place, id)
redis.call('XADD', events, '*', 'name', name, 'data', data)
return 1
