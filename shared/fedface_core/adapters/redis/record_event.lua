-- record_event.lua: appends an event to a run's audit trail.
--
-- KEYS     1 run, 2 its events
-- ARGV     1 event's name, 2 event's data (JSON), 3 how many events the trail may have before; '' if any number
-- Returns  'recorded' if the event is appended. Otherwise nothing has changed, and the result is 'no_run' if there is no such
--          run, or 'full' if the trail has so many events.
local run, events = unpack(KEYS)
local name, data, most = unpack(ARGV)

if redis.call('EXISTS', run) == 0 then
  return 'no_run'
end
if most ~= '' and redis.call('XLEN', events) >= tonumber(most) then
  return 'full'
end
redis.call('XADD', events, '*', 'name', name, 'data', data)
return 'recorded'
