-- common.lua: stands before every other script: the time of the ledger, and what a round takes.

-- The time in µs since the start of 1970, as digits. It is the server's, so that no clock of a caller counts. Only if the
-- ledger was made with a clock, the caller gives a time of that clock; otherwise it gives ''.
local function time_of_ledger(given)
  if given ~= '' then
    return given
  end
  local seconds, microseconds = unpack(redis.call('TIME'))
  return string.format('%d%06d', seconds, microseconds)
end

-- Whether a round takes the answers of clients that belong to a phase, such as updates to 'open', at this time. `phase`,
-- `suspended_from` and `deadline` are fields of the round. A suspended round takes those of the phase in which the pause
-- found it, and has no deadline: its run is paused.
local function takes_answers_of(wanted, phase, suspended_from, deadline, now)
  if phase == 'suspended' then
    return wanted == (suspended_from or 'open')
  end
  return wanted == phase and tonumber(now) < tonumber(deadline)
end

