-- Stores a new run and its first event. KEYS: run, events. ARGV: record, event's data.
-- Returns 0 where the id is taken.
local run, events = unpack(KEYS)
local record, data = unpack(ARGV)

if redis.call('EXISTS', run) == 1 then
  return 0
end
redis.call('HSET', run, 'version', 0, 'record', record)
redis.call('XADD', events, '*', 'name', 'run_created', 'data', data)
return 1
