-- settle.lua: settles one client of a round, accepted or failed, and records activity in the round. The client must be
-- invited and unsettled, and the round must accept updates: it is open before its deadline, or was suspended while open. A
-- client can fail in the phases before that too, at any time. A client that is accepted in a training round has answered one more invitation. The failures of its attempts are removed.
--
-- KEYS     1 the round's unsettled clients, 2 its shards, 3 its accepted updates, 4 its shards with an accepted update,
--          5 its failed clients, 6 its late clients, 7 the run's answers, 8 the round's failures, 9 its last activity
-- ARGV     1 and 2 the keys of the round and of its members, which are only read, 3 client,
--          4 the time (µs), or '' for the server's, 5 'accepted' or 'failed', 6 the update (JSON) or the reason of
--          the failure, 7 the round's kind ('enrolment' or 'training'), 8 the client's step
-- Returns  {refusal, shard, whether every client of the shard has settled (1 or 0), whether the round is ready (1 or 0)};
--          false if the round was never opened. The refusal is '' if the client has settled by this call. Otherwise nothing
--          has changed, and the refusal is 'not_invited' (the shard is '' then), 'duplicate' (the client was accepted before)
--          or 'late' (the round accepts no updates, or the client has failed). An open round is ready if its quorum is
--          reached or no client is unsettled. The time does not depend on the size of the cohort.
local unsettled, shards, accepted, accepted_shards, failed, late, answered, failures, activity = unpack(KEYS)
local round, members, client, given, outcome, value, kind, step = unpack(ARGV)
local now = time_of_ledger(given)

local phase, deadline, quorum, found = unpack(redis.call('HMGET', round, 'phase', 'deadline', 'quorum', 'suspended_from'))
if not phase then
  return false
end
local shard = redis.call('HGET', members, client)
if not shard then
  return {'not_invited', '', 0, 0}
end

local stage = phase == 'suspended' and found or phase
local can_settle = takes_answers_of('open', phase, found, deadline, now)
  or (outcome == 'failed' and (stage == 'registering' or stage == 'sharing' or stage == 'handing_on'))
local refused = ''
if redis.call('HEXISTS', accepted, client) == 1 then
  refused = 'duplicate'
elseif not can_settle or redis.call('SREM', unsettled, client) == 0 then
  refused = 'late'
else
  redis.call('SREM', late, client) -- it was late, and the deadline has moved since
  redis.call('HINCRBY', shards, shard, -1)
  redis.call('HDEL', failures, step)
  redis.call('SET', activity, now)
  if outcome == 'accepted' then
    redis.call('HSET', accepted, client, value)
    redis.call('SADD', accepted_shards, shard)
    if kind == 'training' then
      redis.call('HINCRBY', answered, client, 1)
    end
  else
    redis.call('HSET', failed, client, value)
  end
end

local shard_settled = redis.call('HGET', shards, shard) == '0'
local round_ready = phase == 'open'
  and (redis.call('HLEN', accepted) >= tonumber(quorum) or redis.call('SCARD', unsettled) == 0)
return {refused, shard, shard_settled and 1 or 0, round_ready and 1 or 0}
