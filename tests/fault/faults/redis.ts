import { readdir, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import type { Arena, Fault } from '../fault.ts';

const killed: Pick<Fault, 'strike' | 'strikesMax'> = {
  strikesMax: 4,
  async strike({ stack, pause }) {
    await stack.killRedis();
    await pause(0, 1_500);
    await stack.startRedis();
  },
};

const sizeEveryMs = 20;
const everysecMs = 1_000;

/**
 * A power cut, as far as it can be played: Redis is killed, and of its append-only file only what had been written a
 * second ago is left, which is what `everysec` promises at the least. With `always` every answer waits for the disk, so
 * that there is nothing to cut off.
 */
async function machineCrash(
  { stack, load, note, pause, mayLose }: Arena,
  synced: 'everysec' | 'always',
): Promise<void> {
  const folder = join(stack.folder, 'redis/appendonlydir');
  const name = (await readdir(folder))
    .filter((file) => file.endsWith('.incr.aof'))
    .sort()
    .at(-1)!;
  const file = join(folder, name);
  const sizes: { atMs: number; bytes: number; accepted: number }[] = [];
  const watching = setInterval(async () => {
    const { accepted } = load.totals;
    const { size } = await stat(file);
    sizes.push({ atMs: performance.now(), bytes: size, accepted });
  }, sizeEveryMs);
  await Bun.sleep(everysecMs + 200);
  await stack.killRedis();
  clearInterval(watching);
  const { size } = await stat(file);
  const cutMs = performance.now() - everysecMs;
  const atCut = sizes.findLast(({ atMs }) => atMs <= cutMs) ?? { bytes: 0, accepted: 0 };
  const kept = synced === 'always' ? size : atCut.bytes;
  await truncate(file, kept);
  note(`${synced}: ${size - kept} of ${size} bytes had not been synced`);
  await pause(0, 500); // the last answers of before the crash are in by then
  if (synced === 'everysec') {
    mayLose(load.totals.accepted - atCut.accepted);
    note(`${load.totals.accepted - atCut.accepted} events were accepted in the last second`);
  }
  await stack.startRedis();
}

const flushedSaid =
  'the stream or its group is gone from Redis (FLUSHALL, or a Redis without its file): frames in it are lost; a new group is made';
const goOnMsMax = 10_000;

async function until(condition: () => Promise<boolean> | boolean): Promise<boolean> {
  const deadline = performance.now() + goOnMsMax;
  while (!(await condition())) {
    if (performance.now() > deadline) return false;
    await Bun.sleep(20);
  }
  return true;
}

export const redisFaults: Fault[] = [
  {
    name: 'machine-crash-everysec',
    about: 'a power cut with appendfsync everysec: up to a second of accepted events may be lost, not more',
    strikesMax: 1,
    stack: {},
    before: async ({ stack }) => void (await stack.app('processor').stop()),
    strike: (arena) => machineCrash(arena, 'everysec'),
  },
  {
    name: 'machine-crash-always',
    about: 'the same power cut with appendfsync always: nothing is lost',
    strikesMax: 1,
    stack: { redisSettings: { appendfsync: 'always' } },
    before: async ({ stack }) => void (await stack.app('processor').stop()),
    strike: (arena) => machineCrash(arena, 'always'),
  },
  {
    name: 'redis-killed-everysec',
    about: 'kill -9 and start again, append-only file synced each second',
    ...killed,
  },
  {
    name: 'redis-killed-always',
    about: 'kill -9 and start again, append-only file synced before every answer',
    stack: { redisSettings: { appendfsync: 'always' } },
    ...killed,
  },
  {
    name: 'redis-unreachable',
    about: 'nobody listens for a while (a minute): 503, not ready, alive, and on it goes',
    strikesMax: 1,
    async strike({ stack, quick, pause, broken }) {
      stack.redisProxy.close();
      await Bun.sleep(1_500);
      for (const name of ['gateway', 'processor'] as const) {
        if (await stack.app(name).isReady()) broken(`the ${name} says it is ready without Redis`);
        if (!(await stack.app(name).isLive())) broken(`the ${name} says it is dead without Redis`);
      }
      await pause(quick ? 500 : 58_500, quick ? 1_500 : 58_500);
      stack.redisProxy.open();
    },
  },
  {
    name: 'redis-full',
    about: 'maxmemory reached: 503, nothing lost, goes on by itself',
    strikesMax: 2,
    async strike({ stack, load, broken, note, pause }) {
      await stack.app('processor').end();
      const used = Number(/used_memory:(\d+)/.exec(await stack.admin.info('memory'))![1]);
      // Above what the pressure gate sees as full at once, below what a second of load fills.
      await stack.admin.config('SET', 'maxmemory', String(used + 2_000_000));
      const refused = () => load.answers.get('503') ?? 0;
      const before = refused();
      load.hurry();
      const filled = await until(() => refused() > before);
      load.calmDown();
      if (!filled) note('Redis was not filled');
      await pause(500, 1_500);
      if (filled && (await stack.app('gateway').isReady()))
        broken('the gateway says it is ready while Redis is full');
      // The processor alone makes room: no setting is changed back before it has.
      stack.app('processor').start();
      const room = performance.now() + 20_000;
      while (performance.now() < room && !(await stack.app('gateway').isReady())) await Bun.sleep(50);
      if (!(await stack.app('gateway').isReady()))
        broken('the gateway did not take events again after the processor had caught up');
      await stack.admin.config('SET', 'maxmemory', '512mb');
    },
  },
  {
    // Lost is at most what was in the stream at that moment, and a processor says so in its log.
    name: 'redis-flushed',
    about:
      'FLUSHALL under a running processor: what was in the stream is lost by hand, the log says so, and on it goes',
    strikesMax: 2,
    async strike({ stack, load, pause, note, mayLose, broken }) {
      const processor = stack.app('processor');
      const logBytes = processor.logBytes;
      const replies = await stack.admin.multi().mget('{usage}:accepted', '{usage}:settled').flushall().exec();
      const [accepted, settled] = replies![0]![1] as [string | null, string | null];
      const inStream = Number(accepted) - Number(settled);
      mayLose(inStream);
      const acceptedBefore = load.totals.accepted;
      const said = await until(() => processor.hasLogged(flushedSaid, logBytes));
      if (!said) broken(`the processor's log does not say: ${flushedSaid}`);
      // On it goes: the group is there again, and what comes now is stored.
      const goesOn = await until(async () => Number(await stack.admin.get('{usage}:settled')) > 0);
      if (!goesOn) broken('nothing is settled after FLUSHALL');
      const groups = (await stack.admin.xinfo('GROUPS', '{usage}:events').catch(() => [])) as unknown[];
      if (groups.length !== 1) broken(`${groups.length} groups read the stream after FLUSHALL, not one`);
      note(
        `${inStream} events were in the stream; the log ${said ? 'says so' : 'is silent'}; ${load.totals.accepted - acceptedBefore} more accepted since`,
      );
      await pause(200, 800);
    },
  },
];
