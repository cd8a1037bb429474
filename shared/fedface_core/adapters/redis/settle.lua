-- settle.lua: settles clients of a shard, accepted or failed, all of them or none, and records activity in the
-- round. Each must be invited and unsettled, and the round must accept updates: it is open before its deadline, or was
-- suspended while open. A client can fail in the phases before that too, at any time. A client that is accepted in a training
-- round has answered one more invitation. The failures of its attempts are removed.
--
-- KEYS     1 the round's unsettled clients, 2 its shards, 3 its accepted updates, 4 its shards with an accepted update,
--          5 its failed clients, 6 its late clients, 7 the run's answers, 8 the round's failures, 9 its last activity
-- ARGV     1 and 2 the keys of the round and of its members, which are only read, 3 the time (µs), or '' for the server's,
--          4 the round's kind ('enrolment' or 'training'), 5 what precedes a client in the name of its step,
--          6 'accepted' or 'failed', then for each client, in order, the client and its update (JSON) or the reason of its
--          failure
-- Returns  {refusal, shard, whether every client of the shard has settled (1 or 0), whether the round is ready (1 or 0)};
--          false if the round was never opened. The refusal is '' if all have settled by this call. Otherwise nothing has
--          changed, and refusal and shard are those of the first client that cannot settle: 'not_invited' (the shard is ''
--          then), 'duplicate' (the client was accepted before) or 'late' (the round accepts no updates, or the client has
--          failed). An open round is ready if its quorum is reached or no client is unsettled. The time depends on the number
--          of clients that are given, not on the size of the cohort.
local unsettled, shards, accepted, accepted_shards, failed, late, answered, failures, activity = unpack(KEYS)
local round, members, given, kind, step, outcome = unpack(ARGV, 1, 6)
local now = time_of_ledger(given)
local FIRST = 7

local phase, deadline, quorum, found = unpack(redis.call('HMGET', round, 'phase', 'deadline', 'quorum', 'suspended_from'))
if not phase then
  return false
end
local stage = phase == 'suspended' and found or phase
local can_settle = takes_answers_of('open', phase, found, deadline, now)
  or (outcome == 'failed' and (stage == 'registering' or stage == 'sharing' or stage == 'handing_on'))
local refused = ''
local shard_of = {}
local shard
for place = FIRST, #ARGV, 2 do
  shard = redis.call('HGET', members, ARGV[place])
  shard_of[place] = shard
  if not shard then
    return {'not_invited', '', 0, 0}
  elseif redis.call('SISMEMBER', unsettled, ARGV[place]) == 0 then
    refused = redis.call('HEXISTS', accepted, ARGV[place]) == 1 and 'duplicate' or 'late'
  elseif not can_settle then
    refused = 'late'
  end
  if refused ~= '' then
    break
  end
end

if refused == '' then
  for place = FIRST, #ARGV, 2 do
    local client, value = ARGV[place], ARGV[place + 1]
    redis.call('SREM', unsettled, client)
    redis.call('SREM', late, client) -- it was late, and the deadline has moved since
    redis.call('HINCRBY', shards, shard_of[place], -1)
    redis.call('HDEL', failures, step .. client)
    if outcome == 'failed' then
      redis.call('HSET', failed, client, value)
    else
      redis.call('HSET', accepted, client, value)
      redis.call('SADD', accepted_shards, shard_of[place])
      if kind == 'training' then
        redis.call('HINCRBY', answered, client, 1)
      end
    end
  end
  redis.call('SET', activity, now)
end

local shard_settled = redis.call('HGET', shards, shard) == '0'
local round_ready = phase == 'open'
  and (redis.call('HLEN', accepted) >= tonumber(quorum) or redis.call('SCARD', unsettled) == 0)
return {refused, shard, shard_settled and 1 or 0, round_ready and 1 or 0}
