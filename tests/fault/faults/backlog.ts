import type { Arena, Fault } from '../fault.ts';

const quickEvents = 300_000;
const longEvents = 1_500_000;
const fillMsMax = 120_000;
const drainMsMax = 120_000;
const pollMs = 10;
/**
 * Some 60 thousand on two quiet cores: these events are dear (five meters, many minutes, a twentieth sent twice). What
 * the load harness sends drains faster: `bun run load batch backlog`. Beside other work a processor, which lets others go
 * first, has done 21 thousand.
 */
const eventsASecondMin = 10_000;
/** A smaller backlog is over before the processor runs at its speed. */
const backlogMin = 200_000;

export const backlogFaults: Fault[] = [
  {
    name: 'processor-away',
    about:
      'no processor for long, while clients send as fast as they can; then one comes back and drains the backlog, with nobody sending: at what rate',
    stack: { asShipped: true },
    strikesMax: 1,
    async strike(arena) {
      const { stack, load, note, broken, quick } = arena;
      await stack.app('processor').stop();
      load.hurry();
      const wanted = Math.min(quick ? quickEvents : longEvents, load.eventsMax / 2);
      await until(async () => load.totals.accepted >= wanted, fillMsMax);
      load.calmDown();
      await load.hold();
      const backlog = await waiting(arena);
      const startedMs = performance.now();
      stack.app('processor').start();
      await until(async () => (await waiting(arena)) < backlog, drainMsMax);
      const firstMs = performance.now();
      const afterFirst = await waiting(arena);
      const drained = await until(async () => (await waiting(arena)) === 0, drainMsMax);
      const lastMs = performance.now();
      await until(() => isMerged(arena), drainMsMax);
      const mergedMs = performance.now();
      load.goOn();
      const eventsASecond = Math.round((afterFirst / (lastMs - firstMs)) * 1_000);
      note(
        `a backlog of ${backlog} drained at ${eventsASecond} events/s, the process's start and first batch (${seconds(firstMs - startedMs)} s) left out; rolled up ${seconds(mergedMs - lastMs)} s later`,
      );
      if (!drained) broken(`the backlog of ${backlog} events did not drain`);
      if (backlog >= backlogMin && eventsASecond < eventsASecondMin)
        broken(`the backlog drained at ${eventsASecond} events/s`);
    },
  },
];

async function waiting({ stack }: Arena): Promise<number> {
  const [accepted, settled] = await stack.admin.mget('{usage}:accepted', '{usage}:settled');
  return Number(accepted ?? 0) - Number(settled ?? 0);
}

async function isMerged({ stack }: Arena): Promise<boolean> {
  const [row] = await stack.sql<{ deltas: number }[]>`SELECT count(*)::int AS deltas FROM deltas`;
  return row!.deltas === 0;
}

async function until(condition: () => Promise<boolean>, msMax: number): Promise<boolean> {
  const deadline = performance.now() + msMax;
  while (!(await condition())) {
    if (performance.now() > deadline) return false;
    await Bun.sleep(pollMs);
  }
  return true;
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(1);
}
