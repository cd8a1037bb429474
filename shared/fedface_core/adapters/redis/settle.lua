-- settle.lua: settles one client of a round, accepted or failed, as activity: if it was invited, has not settled, and the
-- round takes updates (open before its deadline, or suspended). Who is accepted in a training round has answered once more.
--
-- KEYS     1 round, 2 its members, 3 its unsettled clients, 4 its shards, 5 its accepted updates,
--          6 its shards with an accepted update, 7 its failed clients, 8 the run's answers
-- ARGV     1 client, 2 now (µs), 3 'accepted' or 'failed', 4 the update (JSON) or why it failed,
--          5 the round's kind ('enrolment' or 'training')
-- Returns  {refusal, shard, whether all of the shard has settled (1 or 0), whether the round is ready (1 or 0)}. The refusal
--          is '', or, and then nothing has changed, 'not_invited' (and the shard ''), 'duplicate' (accepted already) or 'late'
--          (the round takes no updates, or the client has failed). Ready is an open round that has its quorum, or nobody
--          unsettled. False if the round was never opened. Takes the same time whatever the cohort's size.
local round, members, unsettled, shards, accepted, accepted_shards, failed, answered = unpack(KEYS)
local client, now, outcome, value, kind = unpack(ARGV)

local phase, deadline, quorum = unpack(redis.call('HMGET', round, 'phase', 'deadline', 'quorum'))
if not phase then
  return false
end
local shard = redis.call('HGET', members, client)
if not shard then
  return {'not_invited', '', 0, 0}
end

-- A paused run's round waits for its clients however long it takes.
local takes_updates = phase == 'suspended' or (phase == 'open' and tonumber(now) < tonumber(deadline))
local refused = ''
if redis.call('HEXISTS', accepted, client) == 1 then
  refused = 'duplicate'
elseif not takes_updates or redis.call('SREM', unsettled, client) == 0 then
  refused = 'late'
else
  redis.call('HINCRBY', shards, shard, -1)
  redis.call('HSET', round, 'last_activity', now)
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
