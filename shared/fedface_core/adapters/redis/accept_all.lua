-- accept_all.lua: accepts the updates of several clients of one shard, all of them or none, and records activity in the
-- round. What must hold of each client, and what is recorded of it, is as in settle.lua.
--
-- KEYS     1 the round's unsettled clients, 2 its shards, 3 its accepted updates, 4 its shards with an accepted update,
--          5 its late clients, 6 the run's answers, 7 the round's failures, 8 its last activity
-- ARGV     1 and 2 the keys of the round and of its members, which are only read, 3 the time (µs), or '' for the server's,
--          4 the round's kind ('enrolment' or 'training'), 5 what precedes a client in the name of its step,
--          then for each client, in order, the client and its update (JSON)
-- Returns  {refusal, shard, whether every client of the shard has settled (1 or 0), whether the round is ready (1 or 0)};
--          false if the round was never opened. The refusal is '' if all have settled by this call. Otherwise nothing has
--          changed, and refusal and shard are those of the first client that cannot settle. The time depends on the number
--          of clients that are given, not on the size of the cohort.
local unsettled, shards, accepted, accepted_shards, late, answered, failures, activity = unpack(KEYS)
local round, members, given, kind, step = unpack(ARGV)
local now = time_of_ledger(given)
local FIRST = 6

local phase, deadline, quorum, found = unpack(redis.call('HMGET', round, 'phase', 'deadline', 'quorum', 'suspended_from'))
if not phase then
  return false
end
local accepts_updates = takes_answers_of('open', phase, found, deadline, now)
local refused = ''
local shard
for place = FIRST, #ARGV, 2 do
  local client = ARGV[place]
  shard = redis.call('HGET', members, client)
  if not shard then
    return {'not_invited', '', 0, 0}
  elseif redis.call('HEXISTS', accepted, client) == 1 then
    refused = 'duplicate'
  elseif not accepts_updates or redis.call('SISMEMBER', unsettled, client) == 0 then
    refused = 'late'
  end
  if refused ~= '' then
    break
  end
end

if refused == '' then
  for place = FIRST, #ARGV, 2 do
    local client = ARGV[place]
    redis.call('SREM', unsettled, client)
    redis.call('SREM', late, client) -- it was late, and the deadline has moved since
    shard = redis.call('HGET', members, client)
    redis.call('HINCRBY', shards, shard, -1)
    redis.call('SADD', accepted_shards, shard)
    redis.call('HDEL', failures, step .. client)
    redis.call('HSET', accepted, client, ARGV[place + 1])
    if kind == 'training' then
      redis.call('HINCRBY', answered, client, 1)
    end
  end
  redis.call('SET', activity, now)
end

local shard_settled = redis.call('HGET', shards, shard) == '0'
local round_ready = phase == 'open'
  and (redis.call('HLEN', accepted) >= tonumber(quorum) or redis.call('SCARD', unsettled) == 0)
return {refused, shard, shard_settled and 1 or 0, round_ready and 1 or 0}
