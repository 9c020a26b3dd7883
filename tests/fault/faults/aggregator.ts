import type { Fault } from '../fault.ts';
import { createMeter, type RoundMeter } from '../meters.ts';
import { checkTotal } from '../reconciliation.ts';

const mergeFailPoints = ['merge-taken', 'merge-before-commit', 'merge-after-commit'] as const;
const compactionFailPoints = [
  'compaction-taken',
  'compaction-before-commit',
  'compaction-after-commit',
] as const;
const endMsMax = 20_000;
let lateMeters = 0;
const settledMsMax = 60_000;

export const aggregatorFaults: Fault[] = [
  {
    name: 'aggregator-killed',
    about: 'SIGKILL at a random moment, and at the steps of a merge',
    strikesMax: 5,
    async strike({ stack, random, pause, note }) {
      const aggregator = stack.app('aggregator');
      if (random.chance(0.5)) {
        await aggregator.kill();
        await pause(0, 1_000);
        return;
      }
      const point = `${random.pick(mergeFailPoints)}:${random.between(1, 5)}`;
      await aggregator.end();
      aggregator.start({ USAGE_FAIL_POINT: point });
      const reached = await aggregator.endsWithin(endMsMax);
      note(`${point}${reached ? '' : ' not reached'}`);
    },
  },
  {
    name: 'backfill-killed',
    about: 'SIGKILL where a new meter has been read for and its delta is not committed',
    strikesMax: 3,
    async strike({ stack, random, type, note }) {
      const point = `backfill-before-commit:${random.between(1, 2)}`;
      const aggregator = stack.app('aggregator');
      await aggregator.end();
      aggregator.start({ USAGE_FAIL_POINT: point, BACKFILL_EVENTS_MAX: '500' });
      const late: RoundMeter = {
        slug: `${type.replaceAll(/[^a-z0-9]/g, '_')}_more_${lateMeters++}`,
        aggregation: 'COUNT',
      };
      await createMeter(stack, type, late);
      const reached = await aggregator.endsWithin(endMsMax);
      note(`${point}${reached ? '' : ' not reached'}`);
    },
  },
  {
    name: 'compaction-killed',
    about: `deltas are compacted all the time; SIGKILL at a step of it: ${compactionFailPoints.join(', ')}`,
    strikesMax: 5,
    async strike({ stack, random, note }) {
      const point = `${random.pick(compactionFailPoints)}:${random.between(1, 3)}`;
      const aggregator = stack.app('aggregator');
      await aggregator.end();
      aggregator.start({ USAGE_FAIL_POINT: point, MERGE_WAIT_MS: '2000', DELTA_CELLS_WAITING_MAX: '2000' });
      const reached = await aggregator.endsWithin(endMsMax);
      note(`${point}${reached ? '' : ' not reached'}`);
    },
  },
  {
    name: 'two-aggregators',
    about: 'two at once, each killed now and then',
    beside: { aggregator2: {} },
    strikesMax: 4,
    async strike({ stack, random, pause }) {
      await pause(200, 1_000);
      await stack.app(random.pick(['aggregator', 'aggregator2'] as const)).kill();
    },
  },
  {
    name: 'aggregator-away',
    about: 'gone while load runs (a minute): queries stay exact, and it catches up afterwards',
    strikesMax: 1,
    async strike({ stack, load, type, quick, pause, broken, note }) {
      await stack.app('aggregator').end();
      await pause(quick ? 2_000 : 60_000, quick ? 3_000 : 60_000);
      await load.hold();
      const deadline = performance.now() + settledMsMax;
      while ((await stack.admin.xlen('{usage}:events')) > 0 && performance.now() < deadline)
        await Bun.sleep(20);
      const [waiting] = await stack.sql<{ deltas: number }[]>`SELECT count(*)::int AS deltas FROM deltas`;
      for (const fault of await checkTotal(stack, { type, numbered: load.numbered })) broken(fault);
      note(`${waiting!.deltas} deltas waited while the totals were asked for`);
      load.goOn();
    },
  },
];
