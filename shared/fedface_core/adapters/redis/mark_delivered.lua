-- mark_delivered.lua: records how far a receiver of webhooks was told of a run's audit trail. Nothing if the run is gone.
--
-- KEYS     1 run, 2 how far receivers were told
-- ARGV     1 receiver, 2 id of the event
-- Returns  1 if it is recorded; 0 if there is no such run.
local run, delivered = unpack(KEYS)
local receiver, event = unpack(ARGV)

if redis.call('EXISTS', run) == 0 then
  return 0
end
redis.call('HSET', delivered, receiver, event)
return 1
