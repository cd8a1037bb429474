-- record_deposit.lua: records a deposit of a client, and activity in the round. The round must take deposits of this kind,
-- and none of the client may be recorded. The failures of the client's attempts are removed.
--
-- KEYS     1 the round's deposits, 2 its depositors, 3 its failures, 4 its last activity
-- ARGV     1 to 4 the keys of the round, of its members, of its unsettled clients and of its accepted updates, which are
--          only read, 5 client, 6 the time (µs), or '' for the server's, 7 the kind of the deposit, 8 the phase that takes
--          it, 9 the SHA-256 of what is deposited, 10 the client's step
-- Returns  {refusal, shard, how many clients of the shard have made such a deposit}; false if the round was never opened.
--          The refusal is '' if the deposit was recorded by this call. Otherwise nothing has changed, and the refusal is
--          'not_invited' (the shard is '' then), 'duplicate' (the client has made such a deposit) or 'late' (the round takes
--          none, or none of this client: it takes them of unsettled clients, and while it is unmasked of accepted ones).
local deposits, depositors, failures, activity = unpack(KEYS)
local round, members, unsettled, accepted, client, given, kind, wanted, sha256, step = unpack(ARGV)
local now = time_of_ledger(given)

local phase, deadline, found = unpack(redis.call('HMGET', round, 'phase', 'deadline', 'suspended_from'))
if not phase then
  return false
end
local shard = redis.call('HGET', members, client)
if not shard then
  return {'not_invited', '', 0}
end

local awaited
if wanted == 'unmasking' then
  awaited = redis.call('HEXISTS', accepted, client) == 1
else
  awaited = redis.call('SISMEMBER', unsettled, client) == 1
end
local refused = ''
if redis.call('HEXISTS', deposits, kind .. '/' .. client) == 1 then
  refused = 'duplicate'
elseif not awaited or not takes_answers_of(wanted, phase, found, deadline, now) then
  refused = 'late'
else
  redis.call('HSET', deposits, kind .. '/' .. client, sha256)
  redis.call('HINCRBY', depositors, kind .. '/' .. shard, 1)
  redis.call('HDEL', failures, step)
  redis.call('SET', activity, now)
end
return {refused, shard, tonumber(redis.call('HGET', depositors, kind .. '/' .. shard) or 0)}
