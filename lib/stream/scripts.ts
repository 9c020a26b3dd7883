import type { Cluster, Redis } from 'ioredis';

/**
 * What must happen at once in Redis. Every script has the keys of one shard, which share a hash tag: they run on the
 * shard's node of a cluster.
 */

/** Keys: stream, accepted, recount. A counter that begins anew beside a stream that holds frames was lost: count again. */
const append = `
local id = redis.call('XADD', KEYS[1], '*', 'f', ARGV[1], 'n', ARGV[2], 'u', ARGV[3])
if redis.call('INCRBY', KEYS[2], ARGV[2]) == tonumber(ARGV[2]) and redis.call('XLEN', KEYS[1]) > 1 then
  redis.call('HSETNX', KEYS[3], 'at', '0-0')
end
return id`;

/**
 * Keys: stream, acked, recount. Arguments: group, then id, events and mark of each frame. Deletes an entry only where it
 * is the frame that the processor read: an older copy of the stream may use an id again. It counts by the one call that
 * deletes it. Returns the events of the deleted frames, and how many entries were other frames.
 */
const ack = `
local function value(entry, name)
  for i = 1, #entry, 2 do if entry[i] == name then return entry[i + 1] end end
  return ''
end
local function parts(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end
local function upTo(id, last)
  local ms, seq = parts(id)
  local lastMs, lastSeq = parts(last)
  return ms < lastMs or (ms == lastMs and seq <= lastSeq)
end
local counted = redis.call('HGET', KEYS[3], 'at')
local events, others = 0, 0
for i = 2, #ARGV, 3 do
  local entry = redis.call('XRANGE', KEYS[1], ARGV[i], ARGV[i])[1]
  if entry and value(entry[2], 'u') ~= ARGV[i + 2] then
    others = others + 1
  else
    redis.call('XACK', KEYS[1], ARGV[1], ARGV[i])
    if redis.call('XDEL', KEYS[1], ARGV[i]) == 1 then
      events = events + ARGV[i + 1]
      if counted and upTo(ARGV[i], counted) then redis.call('HINCRBY', KEYS[3], 'sum', -ARGV[i + 1]) end
    end
  end
end
if events > 0 and redis.call('INCRBY', KEYS[2], events) == events and redis.call('XLEN', KEYS[1]) > 0 then
  redis.call('HSETNX', KEYS[3], 'at', '0-0')
end
return {events, others}`;

const readPosition = `
local first, last, frames = '', '0-0', 0
local info = redis.pcall('XINFO', 'STREAM', KEYS[1])
if not info.err then
  for i = 1, #info, 2 do
    if info[i] == 'length' then frames = info[i + 1] end
    if info[i] == 'last-generated-id' then last = info[i + 1] end
    if info[i] == 'first-entry' and info[i + 1] then first = info[i + 1][1] end
  end
end
local now = redis.call('TIME')
local seen = {first, last, frames, now[1], now[2], redis.call('GET', KEYS[2]) or '', redis.call('GET', KEYS[3]) or '',
  redis.call('EXISTS', KEYS[4])}
`;

/** Keys: stream, accepted, acked, recount. XINFO knows the newest id ever given, also of an empty stream. */
const position = `${readPosition} return seen`;

/**
 * The same, with the bytes that the stream takes, the frames that processors hold and INFO, which in a script runs on the
 * shard's own node. Argument: group. Some 50 µs, however long the stream is.
 */
const look = `${readPosition}
local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1])
return {seen, redis.call('MEMORY', 'USAGE', KEYS[1]) or 0, pending.err and 0 or pending[1], redis.call('INFO')}`;

/**
 * Keys: stream, accepted, acked, recount. Argument: entries a call. Adds up the events of the frames, some entries a call;
 * ack takes off what it deletes of those that were counted, so that the sum is right at the end, which mends the counters.
 * Returns 1 at the end.
 */
const recount = `#!lua flags=allow-oom
local at = redis.call('HGET', KEYS[4], 'at') or '0-0'
local sum = 0
local entries = redis.call('XRANGE', KEYS[1], '(' .. at, '+', 'COUNT', ARGV[1])
for _, entry in ipairs(entries) do
  for i = 1, #entry[2], 2 do
    local events = tonumber(entry[2][i + 1])
    if entry[2][i] == 'n' and events and events > 0 then sum = sum + events end
  end
  at = entry[1]
end
sum = redis.call('HINCRBY', KEYS[4], 'sum', sum)
redis.call('HSET', KEYS[4], 'at', at)
if #entries >= tonumber(ARGV[1]) then return 0 end
redis.call('DEL', KEYS[4])
redis.call('SET', KEYS[2], (tonumber(redis.call('GET', KEYS[3]) or '0')) + sum)
redis.call('INCRBY', KEYS[3], 0)
return 1`;

/** Keys: beats. A full Redis must not let processors look dead. */
const beat = `#!lua flags=allow-oom
return redis.call('HINCRBY', KEYS[1], ARGV[1], 1)`;

/** Keys: stream, beats. Argument: group. Its consumers: name, frames pending, milliseconds idle, beat. */
const consumers = `
local found = {}
for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local of = {}
  for i = 1, #info, 2 do of[info[i]] = info[i + 1] end
  found[#found + 1] = {of.name, of.pending, of.idle, redis.call('HGET', KEYS[2], of.name) or ''}
end
return found`;

/**
 * Keys: stream, beats. Arguments: group, claimer, owner, the owner's beat, least idle milliseconds, frames at most, suspect
 * deliveries, ids. Takes over frames of an owner whose beat has not changed; where ids are given, of these alone. A frame
 * that was delivered so often already is taken alone, once nothing else is left. Returns entries, and their deliveries.
 */
const claim = `
local group, claimer, owner, beat = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if claimer ~= owner and (redis.call('HGET', KEYS[2], owner) or '') ~= beat then return {{}, {}} end
local pending = {}
if #ARGV > 7 then
  for i = 8, #ARGV do
    local row = redis.call('XPENDING', KEYS[1], group, ARGV[i], ARGV[i], 1, owner)[1]
    if row then pending[#pending + 1] = row end
  end
else
  pending = redis.call('XPENDING', KEYS[1], group, 'IDLE', ARGV[5], '-', '+', ARGV[6], owner)
end
local ids, deliveries = {}, {}
for _, row in ipairs(pending) do
  if row[4] < tonumber(ARGV[7]) then
    ids[#ids + 1] = row[1]
    deliveries[#deliveries + 1] = {row[1], row[4] + 1}
  end
end
if #ids == 0 and pending[1] then
  ids[1] = pending[1][1]
  deliveries[1] = {pending[1][1], pending[1][4] + 1}
end
if #ids == 0 then return {{}, {}} end
return {redis.call('XCLAIM', KEYS[1], group, claimer, 0, unpack(ids)), deliveries}`;

/**
 * Keys: stream, beats. Arguments: group, consumer, 1 where it leaves by itself. A consumer that holds frames stays:
 * deleting it would drop them from the group for good. Where it leaves by itself, this delivery of theirs does not count,
 * and the others need not wait.
 */
const leave = `#!lua flags=allow-oom
local pending = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 5000, ARGV[2])
if #pending == 0 then
  redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
  redis.call('HDEL', KEYS[2], ARGV[2])
  return 1
end
if ARGV[3] == '1' then
  redis.call('HSET', KEYS[2], ARGV[2], 'left')
  for _, row in ipairs(pending) do
    if row[4] > 0 then
      redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, row[1], 'RETRYCOUNT', row[4] - 1, 'JUSTID')
    end
  end
end
return 0`;

type Argument = string | number | Buffer;
type ScriptCall<Reply> = (keys: number, ...keysAndArguments: Argument[]) => Promise<Reply>;

/** First and newest id, frames, TIME, accepted, acked, whether they are being counted anew. */
export type PositionReply = [string, string, number, string, string, string, string, number];

export interface Scripts {
  usageAppend: ScriptCall<string>;
  usageAck: ScriptCall<[number, number]>;
  usagePosition: ScriptCall<PositionReply>;
  usageLook: ScriptCall<[PositionReply, number, number, string]>;
  usageRecount: ScriptCall<number>;
  usageBeat: ScriptCall<number>;
  usageConsumers: ScriptCall<[string, number, number, string][]>;
  usageClaimBuffer: ScriptCall<[unknown[], [Buffer, number][]]>;
  usageLeave: ScriptCall<number>;
}

const scripts = {
  usageAppend: append,
  usageAck: ack,
  usagePosition: position,
  usageLook: look,
  usageRecount: recount,
  usageBeat: beat,
  usageConsumers: consumers,
  usageClaim: claim,
  usageLeave: leave,
};

/** The client with the scripts as its commands. */
export function withScripts<T extends Redis | Cluster>(client: T): T & Scripts {
  for (const [name, lua] of Object.entries(scripts)) client.defineCommand(name, { lua });
  return client as T & Scripts;
}

export const appendScript = append;
