-- Settles one client, accepted or failed, in constant time whatever the cohort's size.
-- KEYS: the first seven of a round's, as `round_keys` of keys.py gives them; answered.
-- ARGV: client, now (µs), 'accepted' or 'failed', the update as JSON or the reason, the round's number.
-- Returns false where the round was never opened, else {refused or '', shard, shard settled, round ready}.
local round, members, unsettled, shards, accepted, accepted_shards, failed, answered = unpack(KEYS)
local client, now, outcome, value, number = unpack(ARGV)

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
    if number ~= '0' then
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
