-- Stores a change of run, and of the round it changed or opened or both, with its event.
-- KEYS: run, events, rounds, invited, changed round and its attempts, then the opened round's keys as `round_keys` of keys.py gives them.
-- ARGV: version that was loaded, record, phase, event's name, event's data,
--       changed round's record ('' where none), phase and deadline (µs),
--       opened round's record ('' where none), cohort (JSON), number, deadline (µs) and opening time (µs).
-- Returns the outcome and the stored version; only 'saved' has changed anything.
local run, events, rounds, invited, changed, attempts, opened, members, unsettled, shards = unpack(KEYS)
local version, record, run_phase, name, data, changed_record, changed_phase, changed_deadline = unpack(ARGV)
local opened_record, opened_cohort, number, deadline, now = unpack(ARGV, 9)

local stored = redis.call('HGET', run, 'version')
if not stored then
  return {'no_run', ''}
end
if stored ~= version then
  return {'stale', stored}
end
if changed_record ~= '' and redis.call('EXISTS', changed) == 0 then
  return {'no_round', stored}
end

redis.call('HSET', run, 'version', version + 1, 'record', record, 'phase', run_phase)

if changed_record ~= '' then
  if changed_phase == 'open' and redis.call('HGET', changed, 'phase') == 'suspended' then
    redis.call('DEL', attempts)
  end
  redis.call('HSET', changed, 'record', changed_record, 'phase', changed_phase, 'deadline', changed_deadline)
end

if opened_record ~= '' then
  local round, cohort = cjson.decode(opened_record), cjson.decode(opened_cohort)
  redis.call('SADD', rounds, number)
  redis.call('HSET', opened, 'record', opened_record, 'cohort', opened_cohort, 'phase', round.phase, 'quorum', round.quorum,
    'deadline', deadline, 'last_activity', now)
  -- In batches: unpack() of a whole cohort would overflow Lua's stack, a call per client would be slow.
  local batch = 1000
  for first = 1, #cohort, batch do
    local clients, members_and_shards = {}, {}
    for index = first, math.min(first + batch - 1, #cohort) do
      local client = cohort[index]
      clients[#clients + 1] = client
      members_and_shards[#members_and_shards + 1] = client
      members_and_shards[#members_and_shards + 1] = math.floor((index - 1) / round.shard_size)
      if number ~= '0' and not round.carried[client] then
        redis.call('HINCRBY', invited, client, 1)
      end
    end
    redis.call('SADD', unsettled, unpack(clients))
    redis.call('HSET', members, unpack(members_and_shards))
  end
  for shard = 0, math.ceil(#cohort / round.shard_size) - 1 do
    redis.call('HSET', shards, shard, math.min(round.shard_size, #cohort - shard * round.shard_size))
  end
end

redis.call('XADD', events, '*', 'name', name, 'data', data)
return {'saved', version + 1}
