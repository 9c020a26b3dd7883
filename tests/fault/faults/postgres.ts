import postgres from 'postgres';
import type { Arena, Fault } from '../fault.ts';

/** Gateways go on taking events while PostgreSQL is away: the stream holds them. */
async function expectTaking({ stack, load, broken }: Arena): Promise<void> {
  const before = load.totals.accepted;
  const deadline = performance.now() + 3_000;
  while (load.totals.accepted === before && performance.now() < deadline) await Bun.sleep(50);
  const ready = await stack.app('gateway').isReady();
  if (load.totals.accepted === before && ready)
    broken('the gateway takes nothing while PostgreSQL is away, and says it is ready');
}

export const postgresFaults: Fault[] = [
  {
    name: 'postgres-killed',
    about: 'kill -9 of the postmaster, started again',
    async strike(arena) {
      await arena.stack.killPostgres('SIGKILL');
      await expectTaking(arena);
      await arena.stack.startPostgres();
    },
  },
  {
    name: 'postgres-immediate',
    about: 'immediate shutdown, started again',
    async strike(arena) {
      await arena.stack.killPostgres('SIGQUIT');
      await arena.pause(0, 1_000);
      await arena.stack.startPostgres();
    },
  },
  {
    name: 'postgres-restarted',
    about: 'fast shutdown (every connection is told), started again',
    async strike(arena) {
      await arena.stack.killPostgres('SIGINT');
      await arena.stack.startPostgres();
    },
  },
  {
    name: 'postgres-unreachable',
    about: 'nobody listens for a while (a minute)',
    strikesMax: 1,
    async strike(arena) {
      arena.stack.postgresProxy.close();
      await Bun.sleep(1_000);
      await expectTaking(arena);
      if (await arena.stack.app('processor').isReady())
        arena.broken('the processor says it is ready without PostgreSQL');
      if (!(await arena.stack.app('processor').isLive()))
        arena.broken('the processor says it is dead without PostgreSQL');
      await arena.pause(arena.quick ? 1_000 : 59_000, arena.quick ? 2_000 : 59_000);
      arena.stack.postgresProxy.open();
    },
  },
  {
    name: 'postgres-too-many-connections',
    about: 'somebody else takes every connection, and the apps must connect anew',
    stack: { postgresSettings: { max_connections: 40 } },
    async strike({ stack, pause }) {
      const greedy: postgres.Sql[] = [];
      await stack.sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name IN ('processor', 'aggregator', 'gateway', 'query')`;
      for (let n = 0; n < 40; n++) {
        const one = postgres(stack.postgres.url, {
          max: 1,
          connection: { application_name: 'greedy' },
          onnotice: () => {},
        });
        const taken = await one`SELECT 1`.catch(() => undefined);
        greedy.push(one);
        if (!taken) break;
      }
      await pause(1_000, 4_000);
      await Promise.all(greedy.map((one) => one.end({ timeout: 1 })));
    },
  },
  {
    name: 'postgres-backend-terminated',
    about: 'backends of the apps are terminated, in the middle of a COPY where there is one',
    strikesMax: 5,
    async strike({ stack, note, pause }) {
      const deadline = performance.now() + 3_000;
      let ended = 0;
      while (ended === 0 && performance.now() < deadline) {
        const rows = await stack.sql`
          SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE application_name = 'processor' AND state = 'active' AND query LIKE 'COPY%'`;
        ended = rows.length;
      }
      if (ended === 0) {
        note('no COPY met');
        await stack.sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name IN ('processor', 'aggregator', 'query', 'gateway')`;
      }
      await pause(0, 500);
    },
  },
  {
    name: 'events-locked',
    about: 'somebody holds a lock on the events table for 30 s',
    strikesMax: 1,
    async strike({ stack, quick }) {
      const other = postgres(stack.postgres.url, {
        max: 1,
        onnotice: () => {},
        connection: { application_name: 'locker' },
      });
      await other.begin(async (tx) => {
        await tx`LOCK TABLE events IN ACCESS EXCLUSIVE MODE`;
        await Bun.sleep(quick ? 7_000 : 30_000);
      });
      await other.end({ timeout: 1 });
    },
  },
];
