import { afterAll, beforeAll, expect, test } from 'bun:test';
import { connect, type Sql } from '@usage/db/connection/connect.ts';
import { durability, lossOf } from '@usage/db/connection/durability.ts';
import { migrate } from '@usage/db/schema/migrate.ts';
import type { LocalPostgres } from '../../scripts/local/postgres.ts';
import { waitUntil } from '../compose/stack.ts';
import { startTestPostgres } from '../support/servers.ts';
import { spawnApp } from '../support/spawnApp.ts';
import { primarySettings, startStandby } from '../support/standby.ts';

/** A real primary with a real standby: what its settings could lose is known, and processors don't start on it. */
let primary: LocalPostgres;
let standby: LocalPostgres;
let sql: Sql;
const startMsMax = 90_000;

beforeAll(async () => {
  primary = await startTestPostgres({ settings: primarySettings });
  await migrate(primary.url, { direction: 'up' });
  sql = connect({ url: primary.url, name: 'test', connectionsMax: 1, statementMsMax: 20_000 });
}, startMsMax);
afterAll(async () => {
  await sql?.end();
  await standby?.stop();
  await primary?.stop();
}, startMsMax);

test('a server without standbys loses nothing, unless a commit does not wait for its disk', async () => {
  expect(lossOf(await durability(sql))).toBeUndefined();
  await configure({ synchronous_commit: 'off' });
  expect(lossOf(await durability(sql))).toContain('synchronous_commit = off');
  await configure({ synchronous_commit: 'on' });
});

test(
  'an asynchronous standby keeps a processor from starting, with what to do; a synchronous one does not',
  async () => {
    standby = await startStandby(primary, 'second');
    await waitUntil('the standby streams', 20_000, async () => (await durability(sql)).standbys === 1);
    const refused = startProcessor({});
    const said = await new Response(refused.stdout).text();
    expect(await refused.exited).toBe(1);
    expect(said).toContain(
      "set it to 'ANY 1 (*)' (Patroni: synchronous_mode: quorum), or set ASYNC_REPLICATION=allow",
    );

    await configure({ synchronous_standby_names: 'ANY 1 (*)' });
    expect(await durability(sql)).toEqual({ standbys: 1, waits: true, commit: 'on' });
    expect(lossOf(await durability(sql))).toBeUndefined();
    await configure({ synchronous_commit: 'local' });
    expect(lossOf(await durability(sql))).toContain('synchronous_commit = local');
  },
  startMsMax,
);

async function configure(settings: Record<string, string>): Promise<void> {
  for (const [name, value] of Object.entries(settings)) {
    await sql.unsafe(`ALTER SYSTEM SET ${name} = '${value}'`);
    await sql`SELECT pg_reload_conf()`;
    await waitUntil(name, 10_000, async () => (await sql.unsafe(`SHOW ${name}`))[0]![name] === value);
  }
}

function startProcessor(settings: Record<string, string>) {
  const env = {
    PATH: process.env.PATH,
    DATABASE_URL: primary.url,
    REDIS_URL: 'redis://127.0.0.1:1',
    PROCESSOR_PORT: '0',
  };
  return spawnApp('processor', { ...env, ...settings }, 'inherit');
}
