-- Appends an event to a run's audit trail. KEYS: run, events. ARGV: event's name, event's data.
-- Returns 0 where there is no such run.
local run, events = unpack(KEYS)
local name, data = unpack(ARGV)

if redis.call('EXISTS', run) == 0 then
  return 0
end
redis.call('XADD', events, '*', 'name', name, 'data', data)
return 1
