import { connect } from '@usage/db/connection/connect.ts';
import { closeIdentityTable } from '@usage/db/events/identityTables.ts';
import { encodeFrame } from '@usage/lib/frame/encode.ts';
import type { Arena, Fault } from '../fault.ts';

const dayMs = 86_400_000;
const periodMs = 7 * dayMs;
/** 1970-01-05 was a Monday: native partitions begin on Mondays, midnight UTC. */
const firstMondayMs = 4 * dayMs;
/** A strike begins at most so long before a boundary; one that is nearer by now is left to itself. */
const beforeMsMax = 3_600_000;
const streamKey = '{usage}:events';

/**
 * Moves the stream's clock: Redis never gives an id that is older than the latest one, so a frame with an id of tomorrow
 * makes everything after it arrive tomorrow. (Arrival is what decides the partition; no clock of ours is asked.)
 */
async function moveTo({ stack, streamClock }: Arena, ms: number): Promise<void> {
  const empty = encodeFrame([]);
  await stack.admin.xadd(streamKey, `${ms}-*`, 'f', empty, 'n', 0);
  streamClock.aheadMs = ms - Date.now();
}

/**
 * Days pass at once: nothing may be sent again across them, for that would be after the dedupe window, when an event
 * rightly counts anew.
 */
async function skipTo(arena: Arena, ms: number): Promise<void> {
  await arena.load.hold();
  await moveTo(arena, ms);
  arena.load.goOn();
}

async function streamNow({ stack }: Arena): Promise<number> {
  const info = (await stack.admin.xinfo('STREAM', streamKey)) as (string | number)[];
  const last = String(info[info.indexOf('last-generated-id') + 1]);
  return Math.max(Date.now(), Number(last.split('-')[0]));
}

function nextBoundary(ms: number): number {
  return firstMondayMs + (Math.floor((ms - firstMondayMs) / periodMs) + 1) * periodMs;
}

/** The identity table is closed, as it is every other day; while a frozen processor holds its lock, that fails. */
async function closeTable({ stack, note }: Arena): Promise<void> {
  const sql = connect({
    url: stack.postgres.url,
    name: 'fault suite',
    connectionsMax: 1,
    statementMsMax: 10_000,
    lockMsMax: 3_000,
  });
  try {
    await closeIdentityTable(sql, 0);
  } catch (error) {
    note(`the identity table stayed open: ${(error as Error).message}`);
  } finally {
    await sql.end();
  }
}

/** A new partition is begun, and an identity table closed, while events are sent again before and after it. */
export async function crossBoundary(arena: Arena): Promise<void> {
  const { load, random } = arena;
  const boundary = nextBoundary((await streamNow(arena)) + beforeMsMax);
  await skipTo(arena, boundary - random.between(1_000, beforeMsMax));
  await arena.pause(500, 1_500);
  await load.sendAgain(10, random);
  await moveTo(arena, boundary + random.between(0, 3_600_000));
  await load.sendAgain(30, random);
  await closeTable(arena);
  await load.sendAgain(30, random);
  await arena.pause(200, 800);
  await closeTable(arena);
  await load.sendAgain(30, random);
}

export const boundaryFaults: Fault[] = [
  {
    name: 'period-boundary',
    about:
      'events sent again across the boundary of two partitions and the closing of identity tables, some with ids that carry their time',
    stack: {},
    strikesMax: 3,
    strike: crossBoundary,
  },
  {
    name: 'period-boundary-raced',
    about:
      'two processors, one frozen with frames of before the boundary while the identity table is closed and the other stores copies of after it',
    stack: {},
    beside: { processor2: {} },
    strikesMax: 3,
    async strike(arena) {
      const { stack, load, random } = arena;
      const boundary = nextBoundary((await streamNow(arena)) + beforeMsMax);
      await skipTo(arena, boundary - random.between(1_000, beforeMsMax));
      await arena.pause(300, 900);
      const frozen = stack.app(random.pick(['processor', 'processor2'] as const));
      frozen.freeze();
      await arena.pause(200, 600);
      await moveTo(arena, boundary + random.between(0, 3_600_000));
      await load.sendAgain(40, random);
      await closeTable(arena);
      await load.sendAgain(20, random);
      await arena.pause(0, 500);
      frozen.thaw();
      await load.sendAgain(20, random);
      await arena.pause(100, 400);
    },
  },
];
