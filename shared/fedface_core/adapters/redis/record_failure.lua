-- record_failure.lua: counts a failure of a step of a run or of a round.
--
-- KEYS     1 the failures of a run or of a round
-- ARGV     1 the key of that run or round, which is only read, 2 step,
--          3 what the reason has in common with others of its kind, 4 reason, 5 the time (µs), or '' for the server's,
--          6 how many steps with failures there may be besides, or else a new one is not kept; '' if any number
-- Returns  {failures in a row, failures in total, when the first one in a row was (µs), the time now (µs)}; false if there is no such run or
--          round. Nothing has changed if the result is false. Neither identity nor reason may have more than one line.
local failures = unpack(KEYS)
local owner, step, identity, reason, given, room = unpack(ARGV)
local now = time_of_ledger(given)

if redis.call('EXISTS', owner) == 0 then
  return false
end
local in_a_row, total, since = 0, 0, now
local stored = redis.call('HGET', failures, step)
if stored then
  local stored_in_a_row, stored_total, stored_since, stored_identity = string.match(stored, '^(%d+) (%d+) (%d+) %d+\n([^\n]*)\n')
  total = tonumber(stored_total) or 0 -- every service may write here: what cannot be read counts as none
  if stored_identity == identity then
    in_a_row, since = tonumber(stored_in_a_row), stored_since
  end
end
in_a_row, total = in_a_row + 1, total + 1
if stored or room == '' or redis.call('HLEN', failures) < tonumber(room) then
  local counts = table.concat({in_a_row, total, since, now}, ' ')
  redis.call('HSET', failures, step, counts .. '\n' .. identity .. '\n' .. reason)
end
return {in_a_row, total, since, now}
