-- time.lua: stands before every other script, and gives them the time of the ledger.

-- The time in µs since the start of 1970, as digits. It is the server's, so that no clock of a caller counts. Only if the
-- ledger was made with a clock, the caller gives a time of that clock; otherwise it gives ''.
local function time_of_ledger(given)
  if given ~= '' then
    return given
  end
  local seconds, microseconds = unpack(redis.call('TIME'))
  return string.format('%d%06d', seconds, microseconds)
end

