-- Compare-and-append: what `outbox.publisher` calls, once for each batch of one stream.
--
-- KEYS: the run's stream, its shard's firehose (one hash tag, so that a cluster takes both).
-- ARGV: run, epoch, base (last published as the database knows it), first seq, run stream length, firehose length,
--   seconds to live, name of the field that carries the entries (`e`, or `stub` for a tombstone); then audience and
--   envelope of each entry, consecutive from `first`.
-- Answers {1, last}: the stream has everything up to `last`. {0, last}: a gap; it ends at `last`, rewind to it.
--   {2, last}: it holds another event under one of these numbers, so it belongs to another history.

local last = tonumber(ARGV[3])
if redis.call('EXISTS', KEYS[1]) == 1 then
  local info = redis.call('XINFO', 'STREAM', KEYS[1])
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      last = tonumber(string.match(info[i + 1], '^(%d+)'))
    end
  end
end
-- A missing key starts at `base`: nothing is seeded again, since readers below it use the database.

local seq = tonumber(ARGV[4])
local final = seq + (#ARGV - 8) / 2 - 1
if seq > last + 1 then
  return {0, last}
end

-- Two histories that part never meet again: the highest number that both have tells whether they are one. An entry
-- of another release may have other bytes, hence the ids; what was trimmed away can not be compared.
local common = math.min(last, final)
if common >= seq then
  local id = string.format('%d-0', common)
  local there = redis.call('XRANGE', KEYS[1], id, id)[1]
  local ours = ARGV[8 + (common - seq + 1) * 2]
  if there then
    local theirs = there[2][4]
    if theirs ~= ours and cjson.decode(theirs).id ~= cjson.decode(ours).id then
      return {2, last}
    end
  end
end

local call, run, epoch, field = redis.call, ARGV[1], ARGV[2], ARGV[8]
for i = 9, #ARGV, 2 do
  if seq > last then
    -- The firehose first: were the second one refused, a retry would skip what the run's stream has.
    local number = string.format('%d', seq)
    call('XADD', KEYS[2], '*', 'run', run, 'seq', number, 'epoch', epoch, 'aud', ARGV[i], field, ARGV[i + 1])
    call('XADD', KEYS[1], number .. '-0', 'aud', ARGV[i], field, ARGV[i + 1])
    last = seq
  end
  seq = seq + 1
end
-- Once a batch: at each entry it would cost as much as the entry.
call('XTRIM', KEYS[2], 'MAXLEN', '~', ARGV[6])
call('XTRIM', KEYS[1], 'MAXLEN', '~', ARGV[5])
-- Only a batch that reaches the stream's end knows how long it may live; a late copy of an older one does not.
if final == last then
  redis.call('EXPIRE', KEYS[1], ARGV[7])
end
return {1, last}
