-- create.lua: stores a new or restored run, its place in the indexes of all runs and of active runs, its first event, and
-- how often its clients took part. These counts replace those that are there, which a restoration of an earlier version of
-- FedFace may have left when it was interrupted.
--
-- KEYS     1 run, 2 its events, 3 all runs, 4 active runs, 5 deleted runs, 6 the run's invitations, 7 its answers
-- ARGV     1 version, 2 record (JSON), 3 phase, 4 event's name, 5 event's data (JSON), 6 the run's id, 7 its place
--          8 invitations and 9 answers: client, count, client, count, … (JSON)
-- Returns  'stored'; or 'exists' if the ledger has a run with this id, or 'deleted' if it had one: then nothing has changed.
local run, events, runs, active, deleted = unpack(KEYS)
local version, record, phase, name, data, id, place = unpack(ARGV)
local counts = {cjson.decode(ARGV[8]), cjson.decode(ARGV[9])}

if redis.call('EXISTS', run) == 1 then
  return 'exists'
end
if redis.call('ZSCORE', deleted, id) then
  return 'deleted'
end
redis.call('HSET', run, 'version', version, 'record', record, 'phase', phase)
redis.call('ZADD', runs, 'NX', place, id)
redis.call('ZADD', active, 'NX', place, id)
for index, clients_and_counts in ipairs(counts) do
  local key = KEYS[5 + index]
  redis.call('DEL', key)
  local batch_size = 2000  -- unpack() of all clients of a large run would overflow Lua's stack
  for first = 1, #clients_and_counts, batch_size do
    local last = math.min(first + batch_size - 1, #clients_and_counts)
    redis.call('HSET', key, unpack(clients_and_counts, first, last))
  end
end
redis.call('XADD', events, '*', 'name', name, 'data', data)
return 'stored'
