import type { Arena, Fault } from '../fault.ts';
import type { Stack } from '../stack.ts';

/** Longer than a strike: no sync that begins during one ends before Redis is killed. */
const syncDelayMs = 10_000;
/** Redis holds writes back for at most so long while a sync takes its time, counted in whole seconds of its clock. */
const heldBackMsMax = 2_000;
const sampleEveryMs = 20;

/**
 * A disk that takes its time to sync, and then Redis is killed; the machine runs on. With `everysec` Redis answers
 * before it has so much as written while the former sync is under way. `always` answers after the sync.
 */
async function slowDisk(
  { stack, load, note, pause, mayLose, broken }: Arena,
  synced: 'everysec' | 'always',
): Promise<void> {
  const delaying = Bun.spawn(
    [
      ...['strace', '-f', '-o', '/dev/null', '-p', String(stack.redis.pid)],
      ...['-e', 'trace=fdatasync', '-e', `inject=fdatasync:delay_enter=${syncDelayMs * 1_000}`],
    ],
    { stdout: 'ignore', stderr: 'ignore' },
  );
  const samples: { atMs: number; accepted: number }[] = [];
  const sample = () => samples.push({ atMs: performance.now(), accepted: load.totals.accepted });
  sample();
  const sampling = setInterval(sample, sampleEveryMs);
  if (synced === 'everysec' && !(await holdsBack(stack))) note('Redis held nothing back');
  await pause(0, 1_000);
  if (delaying.exitCode !== null) broken('the suite could not slow the disk down: strace has ended');
  const killedMs = performance.now();
  const dead = stack.killRedis();
  delaying.kill('SIGKILL'); // a thread that strace delays ends with its delay only
  await Promise.all([dead, delaying.exited]);
  await pause(200, 500); // the last answers of before are in by then
  clearInterval(sampling);
  sample();
  const before = samples.findLast(({ atMs }) => atMs <= killedMs - heldBackMsMax) ?? samples[0]!;
  const answered = load.totals.accepted - before.accepted;
  if (synced === 'everysec') mayLose(answered);
  note(`${synced}: ${answered} events were accepted in the last ${heldBackMsMax / 1_000} s`);
  await stack.startRedis();
}

/** Waits until Redis has answered what it has not written. */
async function holdsBack(stack: Stack): Promise<boolean> {
  const deadline = performance.now() + heldBackMsMax * 3;
  while (performance.now() < deadline) {
    const info = await stack.admin.info('persistence');
    if (Number(/aof_buffer_length:(\d+)/.exec(info)![1]) > 0) return true;
    await Bun.sleep(sampleEveryMs);
  }
  return false;
}

async function skip(): Promise<string | undefined> {
  if (!Bun.which('strace')) return 'strace, which slows the disk down, is not there';
  const probe = Bun.spawnSync(['strace', '-o', '/dev/null', '-e', 'trace=none', 'true']);
  return probe.success ? undefined : 'strace, which slows the disk down, is not allowed here';
}

export const slowDiskFaults: Fault[] = [
  {
    name: 'redis-killed-slow-disk-everysec',
    about:
      'kill -9 of Redis while its disk syncs for seconds, appendfsync everysec: up to two seconds of accepted events may be lost, not more',
    strikesMax: 1,
    stack: {},
    before: async ({ stack }) => void (await stack.app('processor').stop()),
    strike: (arena) => slowDisk(arena, 'everysec'),
    skip,
  },
  {
    name: 'redis-killed-slow-disk-always',
    about: 'the same with appendfsync always: nothing is lost',
    strikesMax: 1,
    stack: { redisSettings: { appendfsync: 'always' } },
    before: async ({ stack }) => void (await stack.app('processor').stop()),
    strike: (arena) => slowDisk(arena, 'always'),
    skip,
  },
];
