import { daysClosed, setDaysClosed } from '@usage/db/rollups/rollupDays.ts';
import type { Arena, Fault } from '../fault.ts';
import { formerDays } from '../load.ts';
import type { Stack } from '../stack.ts';

const failPoints = ['days-made', 'days-before-commit', 'days-after-commit'] as const;
const endMsMax = 10_000;
const metMsMax = 3_000;
const pollMs = 20;
const dayMs = 86_400_000;

/**
 * Takes the day rows of the round's meters back to what they were some days ago, before the later days were closed, as
 * the aggregator would: under the generation's lock, rows and mark in one transaction. They are to be closed anew. Returns how
 * many day rows that were.
 */
async function openDays({ stack, type, random }: Arena): Promise<number> {
  const generations = await closedGenerations(stack, type);
  let rows = 0;
  const beforeMs = Math.floor(Date.now() / dayMs) * dayMs - random.between(2, formerDays + 2) * dayMs;
  for (const { generation } of generations)
    await stack.sql.begin(async (tx) => {
      await tx`SELECT pg_advisory_xact_lock(${generation})`;
      const closed = await daysClosed(tx, generation);
      if (closed === undefined || closed.beforeUs <= beforeMs * 1_000) return;
      for (const table of ['rollup_days', 'unique_days'])
        rows += (
          await tx`
          DELETE FROM ${tx(table)} WHERE start >= ${new Date(beforeMs).toISOString()}::text::timestamptz
            AND series_id IN (SELECT id FROM series WHERE build = ${generation})`
        ).count;
      await setDaysClosed(tx, generation, { beforeUs: beforeMs * 1_000, closing: undefined });
    });
  return rows;
}

/** Generations of the round's meters of which days are closed, once some of them have day rows. */
async function closedGenerations(stack: Stack, type: string): Promise<{ generation: bigint }[]> {
  const deadline = performance.now() + metMsMax;
  let generations: { generation: bigint; rows: boolean }[] = [];
  while (!generations.some(({ rows }) => rows) && performance.now() < deadline) {
    generations = await stack.sql<{ generation: bigint; rows: boolean }[]>`
      SELECT build AS generation, EXISTS (SELECT FROM rollup_days JOIN series s ON s.id = series_id WHERE s.build = m.build) AS rows
      FROM meters m JOIN rollup_days_closed USING (build)
      WHERE event_type = ${type} AND deleted_at IS NULL ORDER BY build`;
    await Bun.sleep(pollMs);
  }
  return generations;
}

export const dayFaults: Fault[] = [
  {
    name: 'aggregator-killed-closing-days',
    about: `days close while events of those days arrive; SIGKILL at a random moment or at a step: ${failPoints.join(', ')}`,
    strikesMax: 4,
    async strike(arena) {
      const { stack, random, note, pause } = arena;
      const aggregator = stack.app('aggregator');
      if (random.chance(0.3)) {
        note(`${await openDays(arena)} day rows, killed`);
        await pause(0, 300);
        await aggregator.kill();
        return;
      }
      const point = `${random.pick(failPoints)}:${random.between(1, 5)}`;
      const generations = await closedGenerations(stack, arena.type);
      await aggregator.end();
      const rows = await openDays(arena);
      aggregator.start({ USAGE_FAIL_POINT: point });
      const reached = await aggregator.endsWithin(endMsMax);
      note(`${rows} day rows of ${generations.length} meters, ${point}${reached ? '' : ' not reached'}`);
    },
  },
  {
    name: 'two-aggregators-closing-days',
    about: 'two close the same days; one is killed, or its session is ended where it makes the day rows',
    beside: { aggregator2: {} },
    strikesMax: 4,
    async strike(arena) {
      const { stack, random, note, pause } = arena;
      const rows = await openDays(arena);
      note(`${rows} day rows`);
      if (random.chance(0.5)) {
        await pause(0, 200);
        await stack.app(random.pick(['aggregator', 'aggregator2'] as const)).kill();
        return;
      }
      const deadline = performance.now() + metMsMax;
      let ended = 0;
      while (ended === 0 && performance.now() < deadline) {
        const rows = await stack.sql`
          SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE application_name = 'aggregator days' AND query ~ 'INTO (rollup|unique)_days'
            AND (state = 'active' OR state LIKE 'idle in transaction%')`;
        ended = rows.length;
      }
      if (ended === 0) note('no statement of closing days met');
    },
  },
];
