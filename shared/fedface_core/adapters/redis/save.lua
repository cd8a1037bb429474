-- save.lua: stores a change of a run, the round that it changed or opened (or both), and an event. Compare-and-set on the
-- run's version. The whole cohort of an opened round is unsettled. Each client of an opened training round, except carried
-- clients, has one more invitation. A run or a round in a new phase begins it without failures, and a round that comes to a
-- phase which waits for clients without attempts.
--
-- KEYS     1 run, 2 its events, 3 its rounds, 4 its invitations
--          5 changed round, 6 its attempts: not used if ARGV[6] is ''
--          7 opened round, 8 its members, 9 its unsettled clients, 10 its shards: not used if ARGV[9] is ''
--          11 the run's failures, 14 active runs
--          12 the changed round's failures: not used if ARGV[6] is ''
--          13 the opened round's last activity: not used if ARGV[9] is ''
-- ARGV     1 version that was loaded, 2 run's record (JSON), 3 its phase, 4 event's name, 5 event's data (JSON)
--          6 changed round's record (JSON), 7 its phase, 8 its deadline (µs): all '' if no round is changed
--          9 opened round's record (JSON), 10 its cohort (JSON), 11 its number, 12 its kind ('enrolment' or 'training'),
--          13 its deadline (µs), 14 when it opened (µs): all '' if no round is opened
--          15 the run's id and 16 its place if it becomes active again, as it is to be deleted: both '' if not
--          17 '1' if the change ends the run. It is stored though the memory of the server is full: Redis lets a script go
--          on that begins with a command which takes no memory
--          18 the phase in which a pause found the changed round: '' if it was open, or is not suspended
-- Returns  {'saved', new version}, also if the ledger has just this change already: then the answer to an earlier try was
--          lost, and nothing changes. Otherwise nothing has changed, and the result is {'no_run', ''} if there is no such
--          run, {'stale', stored version} if the stored version is not the one that was loaded, or {'no_round', stored
--          version} if the changed round was never opened. The time grows in proportion to the opened cohort.
local run, events, rounds, invited, changed, attempts, opened, members, unsettled, shards = unpack(KEYS)
local run_failures, changed_failures, activity = unpack(KEYS, 11)
local version, record, run_phase, name, data, changed_record, changed_phase, changed_deadline = unpack(ARGV)
local opened_record, opened_cohort, number, kind, deadline, now = unpack(ARGV, 9)

local stored, stored_phase = unpack(redis.call('HMGET', run, 'version', 'phase'))
if not stored then
  return {'no_run', ''}
end
if stored ~= version then
  local is_ours = tonumber(stored) == version + 1 and redis.call('HGET', run, 'record') == record
    and (changed_record == '' or redis.call('HGET', changed, 'record') == changed_record)
    and (opened_record == '' or redis.call('HGET', opened, 'record') == opened_record)
  return {is_ours and 'saved' or 'stale', stored}
end
if changed_record ~= '' and redis.call('EXISTS', changed) == 0 then
  return {'no_round', stored}
end

local again, place, ends, suspended_from = unpack(ARGV, 15)
local waits_for_clients = {registering = true, sharing = true, open = true, unmasking = true}
if ends == '1' then
  redis.call('DEL', run_failures)
end
redis.call('HSET', run, 'version', version + 1, 'record', record, 'phase', run_phase)
if run_phase ~= stored_phase then
  redis.call('DEL', run_failures)
end

if changed_record ~= '' then
  local phase_before = redis.call('HGET', changed, 'phase')
  if changed_phase ~= phase_before then
    redis.call('DEL', changed_failures)
    if waits_for_clients[changed_phase] then
      redis.call('DEL', attempts)
    end
  end
  redis.call('HSET', changed, 'record', changed_record, 'phase', changed_phase, 'deadline', changed_deadline)
  if suspended_from == '' then
    redis.call('HDEL', changed, 'suspended_from')
  else
    redis.call('HSET', changed, 'suspended_from', suspended_from)
  end
end

if opened_record ~= '' then
  local round = cjson.decode(opened_record)
  local cohort = cjson.decode(opened_cohort)
  redis.call('SADD', rounds, number)
  redis.call('HSET', opened, 'record', opened_record, 'cohort', opened_cohort, 'phase', round.phase, 'quorum', round.quorum,
    'deadline', deadline)
  redis.call('SET', activity, now)
  -- In batches: unpack() of a whole cohort would overflow Lua's stack, and a call for each client would be slow.
  local batch_size = 1000
  for first = 1, #cohort, batch_size do
    local clients = {}
    local members_and_shards = {}
    for index = first, math.min(first + batch_size - 1, #cohort) do
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

if again ~= '' then
  redis.call('ZADD', KEYS[14], 'NX', place, again)
end
redis.call('XADD', events, '*', 'name', name, 'data', data)
return {'saved', version + 1}
