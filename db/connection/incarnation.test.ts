import { afterAll, beforeAll, expect, test } from 'bun:test';
import { startTestPostgres } from '@usage/tests/support/servers.ts';
import { migrate } from '../schema/migrate.ts';
import { withClient } from './client.ts';
import { connect, type Sql } from './connect.ts';
import { incarnation } from './incarnation.ts';
import { isAccepting } from './server.ts';

const serverMsMax = 60_000;
let server: Awaited<ReturnType<typeof startTestPostgres>>;
let sql: Sql;
/** Of a user without any privilege on the server, as managed services give it. */
let url: string;

beforeAll(async () => {
  server = await startTestPostgres({ timescale: false });
  await withClient(server.url, async (admin) => {
    await admin.query(`CREATE ROLE plain LOGIN PASSWORD 'plain' NOSUPERUSER NOCREATEDB NOCREATEROLE`);
    await admin.query('CREATE DATABASE plain OWNER plain');
  });
  const plain = new URL(server.url);
  Object.assign(plain, { username: 'plain', password: 'plain', pathname: '/plain' });
  url = plain.href;
  await migrate(url, { direction: 'up' });
  sql = connect({ url, name: 'incarnation test', connectionsMax: 1, statementMsMax: 5_000 });
}, serverMsMax);
afterAll(async () => {
  await sql?.end();
  await server?.stop();
}, serverMsMax);

async function read(): Promise<string> {
  const [row] = await sql<{ incarnation: string }[]>`SELECT ${incarnation(sql)} AS incarnation`;
  return row!.incarnation;
}

/** Of a connection that was opened after the change. */
async function readAnew(): Promise<string> {
  while (!(await isAccepting(url))) await Bun.sleep(20);
  for (;;) {
    try {
      return await read();
    } catch {
      await Bun.sleep(20); // the old connection's end
    }
  }
}

test('a user without privileges reads it, and it stays while nothing happens to the server', async () => {
  const first = await read();
  expect(first.split(' ')).toHaveLength(3);
  await sql`INSERT INTO series (build, key, subject, group_values) VALUES (1, gen_random_uuid(), 'a', '{}')`;
  await sql`SELECT pg_terminate_backend(pg_backend_pid())`.catch(() => {});
  expect(await readAnew()).toBe(first);
});

test('it changes where the tables are emptied or made anew, as a restore does', async () => {
  const first = await read();
  await sql`TRUNCATE series`;
  expect(await read()).not.toBe(first);
});

test(
  'it changes where the server restarts its backends after a crash: the last commits may be lost',
  async () => {
    const first = await read();
    const [backend] = await sql<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`;
    process.kill(backend!.pid, 'SIGKILL');
    expect(await readAnew()).not.toBe(first);
  },
  serverMsMax,
);

test('it changes where another database takes the name', async () => {
  const first = await read();
  await withClient(server.url, async (admin) => {
    await admin.query(`ALTER DATABASE plain ALLOW_CONNECTIONS false`);
    await admin.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'plain'`);
    await admin.query('CREATE DATABASE copy TEMPLATE plain OWNER plain');
    await admin.query('ALTER DATABASE plain RENAME TO gone');
    await admin.query('ALTER DATABASE copy RENAME TO plain');
  });
  expect(await readAnew()).not.toBe(first);
});
