-- create.lua: stores a new run, its place in the indexes of all runs and of active runs, and its first event.
--
-- KEYS     1 run, 2 its events, 3 all runs, 4 active runs, 5 deleted runs
-- ARGV     1 version, 2 record (JSON), 3 phase, 4 event's name, 5 event's data (JSON), 6 the run's id, 7 its place
-- Returns  'stored'; or 'exists' if the ledger has a run with this id, or 'deleted' if it had one: then nothing has changed.
local run, events, runs, active, deleted = unpack(KEYS)
local version, record, phase, name, data, id, place = unpack(ARGV)

if redis.call('EXISTS', run) == 1 then
  return 'exists'
end
if redis.call('ZSCORE', deleted, id) then
  return 'deleted'
end
redis.call('HSET', run, 'version', version, 'record', record, 'phase', phase)
redis.call('ZADD', runs, 'NX', place, id)
redis.call('ZADD', active, 'NX', place, id)
redis.call('XADD', events, '*', 'name', name, 'data', data)
return 'stored'
