import { clockHindrance } from '../clock.ts';
import type { Arena, Fault } from '../fault.ts';
import type { AppName } from '../stackOptions.ts';
import { crossBoundary } from './boundary.ts';

const hourSeconds = 3_600;
/** A running app notices a clock that is set after a second. */
const noticedMs = 1_100;
const setMsMax = 5_000;

const processors = ['processor', 'processor2'] as const;

/** Of two apps of a kind one is an hour ahead, the other an hour behind; the clocks of PostgreSQL and Redis are right. */
function setApart({ stack, random }: Arena): void {
  for (const [one, other] of [
    ['processor', 'processor2'],
    ['gateway', 'gateway2'],
    ['aggregator', 'aggregator2'],
  ] as const) {
    const sign = random.pick([-1, 1]);
    stack.setClock(one, sign * hourSeconds);
    stack.setClock(other, -sign * hourSeconds);
  }
}

/** The arrival of every event of the round is Redis' time, whatever the clocks of gateway and processor said. */
async function checkArrivals({ stack, type, broken, note }: Arena): Promise<void> {
  const [strange] = await stack.sql<{ count: number; from: string; to: string }[]>`
    SELECT count(*)::int AS count, min(ingested_at)::text AS from, max(ingested_at)::text AS to FROM events
    WHERE type = ${type} AND (ingested_at > now() OR ingested_at < now() - INTERVAL '30 minutes')`;
  if (strange!.count > 0)
    broken(`${strange!.count} events arrived at a wrong time: ${strange!.from} to ${strange!.to}`);
  const [periods] = await stack.sql<{ count: number }[]>`
    SELECT count(*)::int AS count FROM periods WHERE period > now() OR period < now() - INTERVAL '14 days'`;
  if (periods!.count > 0) broken(`${periods!.count} periods were opened that nothing arrived in`);
  note('arrivals and periods are by the clock of Redis');
}

export const clockFaults: Fault[] = [
  {
    name: 'clocks-an-hour-off',
    about:
      'gateways, processors and aggregators in pairs, one an hour ahead, one behind, from the start or set while they run; then one is killed or frozen: the other takes over what it held, and nothing it did not',
    stack: { clocks: true },
    beside: { processor2: {}, gateway2: {}, aggregator2: {} },
    strikesMax: 3,
    async strike(arena, number) {
      const { stack, random, pause, note, broken, quick } = arena;
      await stack.untilReady(); // one was killed by the strike before
      setApart(arena);
      if (!(await areApart(arena))) broken("the suite could not set the processors' clocks");
      const before = await claimed(arena);
      await pause(quick ? 3_000 : 8_000, quick ? 4_000 : 12_000);
      const name = random.pick(['processor', 'processor2', 'gateway', 'aggregator'] as const);
      const taken = (await claimed(arena)) - before;
      // Later strikes see what was taken from the one that was killed before.
      if (number === 0 && taken > 0) broken(`${taken} frames were taken from a processor that was at work`);
      const how = random.pick(['killed', 'frozen', 'kept']);
      if (how === 'killed') await stack.app(name).kill();
      if (how === 'frozen') {
        stack.app(name).freeze();
        await pause(6_000, 9_000);
        stack.app(name).thaw();
      }
      note(`${name} ${how}`);
    },
    after: checkArrivals,
    skip: async () => clockHindrance(),
  },
  {
    name: 'clocks-set-at-a-boundary',
    about: 'two processors whose clocks are set by hours again and again while a boundary of periods passes',
    stack: { clocks: true },
    beside: { processor2: {} },
    strikesMax: 3,
    async strike(arena) {
      const { stack, random } = arena;
      const steps = setInterval(() => {
        for (const name of ['processor', 'processor2', 'gateway'] as const satisfies AppName[])
          stack.setClock(name, random.between(-1, 1) * hourSeconds);
      }, noticedMs);
      await crossBoundary(arena);
      clearInterval(steps);
    },
    skip: async () => clockHindrance(),
  },
];

/** Frames that processors of now took over from others. */
async function claimed(arena: Arena): Promise<number> {
  const sums = await Promise.all(processors.map((name) => metric(arena, name, 'usage_frames_claimed_total')));
  return sums.reduce((sum, one) => sum + one, 0);
}

/** Waits until the processors themselves say so. */
async function areApart(arena: Arena): Promise<boolean> {
  const deadline = performance.now() + setMsMax;
  while (performance.now() < deadline) {
    const [one, other] = (await secondsAhead(arena)).toSorted((a, b) => a - b);
    if (one === -hourSeconds && other === hourSeconds) return true;
    await Bun.sleep(100);
  }
  return false;
}

async function secondsAhead(arena: Arena): Promise<number[]> {
  const times = await Promise.all(
    processors.map((name) => metric(arena, name, 'usage_processor_last_loop_timestamp_seconds')),
  );
  return times.map((time) => Math.round((time - Date.now() / 1_000) / 60) * 60);
}

async function metric({ stack }: Arena, name: AppName, metricName: string): Promise<number> {
  const answer = await fetch(`${stack.app(name).url}/metrics`, { signal: AbortSignal.timeout(3_000) });
  const line = (await answer.text()).split('\n').find((one) => one.startsWith(metricName));
  return Number(line?.split(' ')[1]);
}
