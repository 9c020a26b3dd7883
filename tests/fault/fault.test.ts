import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import postgres from 'postgres';
import { faults } from './faults/index.ts';
import { findLeftovers } from './leftovers.ts';
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
  'redis-went-back',
  'events-refused',
  'apps-terminated',
  'period-boundary',
];

describe(`accepted events are stored once and counted once (seed ${seed})`, () => {
  beforeAll(async () => {
    stack = await Stack.start();
  }, roundMsMax);
  afterAll(async () => {
    expect((await stack?.drop())?.late).toEqual([]);
  }, roundMsMax);

  test(
    'the reconciliation sees what is left over',
    async () => {
      const { sql } = stack!;
      expect(await findLeftovers(stack!)).toEqual([]);
      const left = postgres(stack!.postgres.url, {
        max: 5,
        onnotice: () => {},
        connection: { application_name: 'processor' },
      });
      await Promise.all(Array.from({ length: 5 }, () => left`SELECT pg_sleep(0.2)`));
      await left`CREATE TEMPORARY TABLE staged (n int)`;
      await sql`CREATE TABLE events_half (n int)`;
      await sql`
        INSERT INTO events (time, ingested_at, batch_id, period, namespace, source, id, type, subject)
        VALUES (now(), now(), 0, '2001-01-01', 'default', 's', 'i', 't', 'x')`.catch(() => {
        // plain PostgreSQL has no partition for it
      });
      const found = await findLeftovers(stack!);
      await left.end();
      await sql`DROP TABLE events_half`;
      if (stack!.postgres.timescale)
        await sql`SELECT drop_chunks('events', older_than => '2002-01-01'::date)`;
      expect(found).toEqual(
        expect.arrayContaining([
          '1 temporary tables are left',
          'relations are left: events_half',
          expect.stringMatching(/^\d+ connections of 'processor' to PostgreSQL are open, 4 at most may be$/),
          ...(stack!.postgres.timescale
            ? [expect.stringMatching(/^partitions of no period are left: _hyper_/)]
            : []),
        ]),
      );
      expect(await findLeftovers(stack!)).toEqual([]);
    },
    roundMsMax,
  );

  for (const [index, name] of names.entries()) {
    test(
      name,
      async () => {
        const fault = faults.find((one) => one.name === name)!;
        const options = { number: index, events: 2_000, rate: 4_000, quick: true, random: random.fork() };
        const report = await runRound(stack!, { ...options, fault: { ...fault, strikesMax: 1 } });
        expect(report.broken).toEqual([]);
        expect(report).toMatchObject({
          lost: 0,
          doubled: 0,
          stuck: false,
          stored: report.accepted - report.takenAway,
        });
      },
      roundMsMax,
    );
  }
});
