-- unindex.lua: removes runs from the index of active runs, and those that are not stored from the index of all runs too.
--
-- KEYS     1 all runs, 2 active runs
-- ARGV     for each run: its id, its key, which is only read, and the phase in which it was found, '' if it was not stored
-- Returns  how many runs were removed. A run that is in another phase now has changed since it was found, and stays.
local runs, active = unpack(KEYS)
local removed = 0

for index = 1, #ARGV, 3 do
  local id, run, found = ARGV[index], ARGV[index + 1], ARGV[index + 2]
  if (redis.call('HGET', run, 'phase') or '') == found then
    removed = removed + redis.call('ZREM', active, id)
    if found == '' then
      redis.call('ZREM', runs, id)
    end
  end
end
return removed
