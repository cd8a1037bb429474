-- save.lua: stores a change of a run, the round that it changed or opened (or both), and an event. Compare-and-set on the
-- run's version. A round's cohort is unsettled from its opening on; who is invited to a training round, and not carried over
-- into it, has one invitation more. A round that was suspended and is open again forgets its attempts.
--
-- KEYS     1 run, 2 its events, 3 its rounds, 4 its invitations
--          5 changed round, 6 its attempts: left alone if ARGV[6] is ''
--          7 opened round, 8 its members, 9 its unsettled clients, 10 its shards: left alone if ARGV[9] is ''
-- ARGV     1 version that was loaded, 2 run's record (JSON), 3 its phase, 4 event's name, 5 event's data (JSON)
--          6 changed round's record (JSON), 7 its phase, 8 its deadline (µs): '' for none
--          9 opened round's record (JSON), 10 its cohort (JSON), 11 its number, 12 its kind ('enrolment' or 'training'),
--          13 its deadline (µs), 14 when it opened (µs): '' for none
-- Returns  {'saved', new version}; or, and then nothing has changed, {'no_run', ''} if there is no such run,
--          {'stale', stored version} if it is another than was loaded, {'no_round', stored version} if the changed round was
--          never opened. Takes time in proportion to the opened cohort.
local run, events, rounds, invited, changed, attempts, opened, members, unsettled, shards = unpack(KEYS)
local version, record, run_phase, name, data, changed_record, changed_phase, changed_deadline = unpack(ARGV)
local opened_record, opened_cohort, number, kind, deadline, now = unpack(ARGV, 9)

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
      if kind == 'training' and not round.carried[client] then
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
