-- Stores a run that the ledger does not have, and its first event. KEYS: run, events.
-- ARGV: version, record, phase, event's name, event's data. Returns 0 where the id is taken.
local run, events = unpack(KEYS)
local version, record, phase, name, data = unpack(ARGV)

if redis.call('EXISTS', run) == 1 then
  return 0
end
redis.call('HSET', run, 'version', version, 'record', record, 'phase', phase)
redis.call('XADD', events, '*', 'name', name, 'data', data)
return 1
