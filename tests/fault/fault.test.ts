import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { faults } from './faults/index.ts';
import { Random } from './random.ts';
import { runRound } from './round.ts';
import { Stack } from './stack.ts';

/**
 * The fault suite in small: real processes, one round each, short and with little load. `bun run test:fault` is the
 * whole. USAGE_FAULT_SEED repeats a run.
 */
const seed = Number(process.env.USAGE_FAULT_SEED ?? Date.now() % 2 ** 32);
const random = new Random(seed);
const roundMsMax = 90_000;
let stack: Stack | undefined;

/** On one stack; the last moves the stream's clock, which nobody moves back. */
const names = [
  'processor-fail-points',
  'aggregator-killed',
  'aggregator-killed-closing-days',
  'gateway-killed',
  'postgres-backend-terminated',
  'postgres-killed',
  'redis-killed-everysec',
  'events-refused',
  'apps-terminated',
  'period-boundary',
];

describe(`accepted events are stored once and counted once (seed ${seed})`, () => {
  beforeAll(async () => {
    stack = await Stack.start();
  }, roundMsMax);
  afterAll(async () => {
    expect(await stack?.drop()).toEqual([]);
  }, roundMsMax);

  for (const [index, name] of names.entries()) {
    test(
      name,
      async () => {
        const fault = faults.find((one) => one.name === name)!;
        const options = { number: index, events: 2_000, rate: 4_000, quick: true, random: random.fork() };
        const report = await runRound(stack!, { ...options, fault: { ...fault, strikesMax: 1 } });
        expect(report.broken).toEqual([]);
        expect(report).toMatchObject({ lost: 0, doubled: 0, stuck: false, stored: report.accepted });
      },
      roundMsMax,
    );
  }
});
