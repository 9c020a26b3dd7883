import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Arena, Fault } from '../fault.ts';

const key = '{usage}:events';
const counters = ['{usage}:accepted', '{usage}:settled'] as const;
const noticedMsMax = 10_000;
const takenOverMsMax = 15_000;
const pollMs = 20;
const hourMs = 3_600_000;

async function until(condition: () => Promise<boolean> | boolean, msMax: number): Promise<boolean> {
  const deadline = performance.now() + msMax;
  while (!(await condition())) {
    if (performance.now() > deadline) return false;
    await Bun.sleep(pollMs);
  }
  return true;
}

/** A backup is restored: Redis starts again from the files of a while ago. What it accepted since may be lost, not more. */
async function olderFiles({ stack, load, pause, mayLose, note }: Arena): Promise<void> {
  const folder = join(stack.folder, 'redis');
  const backup = join(stack.folder, 'redis-backup');
  await cp(folder, backup, { recursive: true });
  const acceptedBefore = load.totals.accepted;
  await pause(200, 1_500);
  await stack.killRedis();
  await pause(0, 200); // the last answers of before are in by then
  mayLose(load.totals.accepted - acceptedBefore);
  note(`files: ${load.totals.accepted - acceptedBefore} events were accepted since the backup`);
  await rm(folder, { recursive: true });
  await cp(backup, folder, { recursive: true });
  await rm(backup, { recursive: true });
  await stack.startRedis();
}

/** The stream alone is put back, under running connections: beside counters that are newer, older or gone. */
async function olderStream({ stack, random, pause, mayLose, note }: Arena): Promise<void> {
  const { admin } = stack;
  const copy = await admin.dumpBuffer(key);
  const old = await admin.mget(...counters);
  await pause(100, 1_000);
  const left = random.pick(['newer', 'older', 'gone'] as const);
  const known = new Set((await idsIn(stack)).map(([id]) => id));
  const change = admin.multi().xrange(key, '-', '+').restore(key, 0, copy, 'REPLACE');
  if (left !== 'newer') change.del(...counters);
  if (left === 'older') for (const [n, name] of counters.entries()) change.set(name, old[n] ?? '0');
  const replies = await change.exec();
  const before = replies![0]![1] as [string, string[]][];
  const kept = new Set((await idsIn(stack)).map(([id]) => id));
  const lost = before.filter(([id]) => !kept.has(id));
  mayLose(lost.reduce((sum, [, fields]) => sum + Number(fields[fields.indexOf('n') + 1]), 0));
  note(
    `stream: ${lost.length} of ${before.length} frames gone (${known.size} a moment before), counters ${left}`,
  );
}

async function idsIn({ admin }: Arena['stack']): Promise<[string, string[]][]> {
  return (await admin.xrange(key, '-', '+')) as [string, string[]][];
}

async function lostGroup({ stack, note }: Arena): Promise<void> {
  await stack.admin.xgroup('DESTROY', key, 'processors');
  note('group destroyed');
}

async function lostCounters({ stack, random, note }: Arena): Promise<void> {
  const gone = random.pick([[counters[0]], [counters[1]], [...counters]]);
  await stack.admin.del(...gone);
  note(`deleted ${gone.join(' ')}`);
}

export const redisWentBackFaults: Fault[] = [
  {
    name: 'redis-went-back',
    about:
      'an older copy of Redis or of its stream comes back, the group or the counters are lost: what the copy lacks may be lost, nothing else',
    strikesMax: 3,
    stack: {},
    async strike(arena) {
      const what = arena.random.pick([olderFiles, olderStream, olderStream, lostGroup, lostCounters]);
      await what(arena);
      await arena.pause(100, 500);
    },
    async after({ stack, broken }) {
      const gateway = stack.app('gateway').url;
      const events = async () =>
        /^usage_stream_events (\d+)/m.exec(await (await fetch(`${gateway}/metrics`)).text())?.[1];
      if (!(await until(async () => (await events()) === '0', noticedMsMax)))
        broken(`the stream is empty, and the gateway says that ${await events()} events wait in it`);
    },
  },
  {
    name: 'redis-clock-back',
    about:
      "a processor dies, and then Redis' clock goes back an hour: its frames look as if they were delivered in an hour's time, and are taken over in time all the same",
    strikesMax: 1,
    beside: { processor2: {} },
    async strike({ stack, load, random, pause, broken, note }) {
      const { admin } = stack;
      load.hurry();
      await pause(200, 600);
      const victim = stack.app(random.pick(['processor', 'processor2'] as const));
      victim.freeze();
      await pause(50, 300);
      await victim.end();
      load.calmDown();
      const rows = await pending(admin);
      // What is pending looks like this after the clock was set back; libfaketime and Redis' allocator don't go together.
      for (const [id, owner] of rows)
        await admin.xclaim(key, 'processors', owner, 0, id, 'TIME', Date.now() + hourMs, 'JUSTID');
      note(`${rows.length} frames pending with ${new Set(rows.map(([, owner]) => owner)).size} processors`);
      const ids = new Set(rows.map(([id]) => id));
      const areGone = async () => !(await pending(admin)).some(([id]) => ids.has(id));
      if (!(await until(areGone, takenOverMsMax)))
        broken(`frames of a dead processor were not taken over within ${takenOverMsMax} ms`);
      victim.start();
    },
  },
];

async function pending(admin: Arena['stack']['admin']): Promise<[id: string, owner: string][]> {
  return (await admin.xpending(key, 'processors', '-', '+', 1_000)) as [string, string][];
}
