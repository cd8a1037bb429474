-- record_event.lua: appends an event to a run's audit trail.
--
-- KEYS     1 run, 2 its events
-- ARGV     1 event's name, 2 event's data (JSON)
-- Returns  1 if the event is appended; 0 if there is no such run. Nothing has changed if the result is 0.
local run, events = unpack(KEYS)
local name, data = unpack(ARGV)

if redis.call('EXISTS', run) == 0 then
  return 0
end
redis.call('XADD', events, '*', 'name', name, 'data', data)
return 1
