import { afterAll, beforeAll, expect, test } from 'bun:test';
import { withClient } from '@usage/db/connection/client.ts';
import { connect, type Sql } from '@usage/db/connection/connect.ts';
import { isTemporary } from '@usage/db/connection/sqlStates.ts';
import { migrate } from '@usage/db/schema/migrate.ts';
import type { LocalPostgres } from '../../scripts/local/postgres.ts';
import { type RunningApps, startApps } from '../support/apps.ts';
import { startTestPostgres } from '../support/servers.ts';
import { primarySettings, startStandby } from '../support/standby.ts';

/** One connection string with both servers of a synchronous pair; the first of them is killed for good. */
let first: LocalPostgres;
let second: LocalPostgres;
let apps: RunningApps;
const startMsMax = 120_000;
const urlOf = (parameters = '', servers = [first, second]) => {
  const { username, password, pathname } = new URL(first.url);
  return `postgres://${username}:${password}@${servers.map(({ url }) => new URL(url).host).join(',')}${pathname}${parameters}`;
};
const pool = (url: string) => connect({ url, name: 'test', connectionsMax: 1, statementMsMax: 10_000 });
const inRecovery = async (sql: Sql) => (await sql`SELECT pg_is_in_recovery() AS standby`)[0]!.standby;

beforeAll(async () => {
  first = await startTestPostgres({ settings: primarySettings });
  await migrate(first.url, { direction: 'up' });
  second = await startStandby(first, 'second');
  await withClient(first.url, async (client) => {
    await client.query("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (*)'");
    await client.query('SELECT pg_reload_conf()');
  });
}, startMsMax);
afterAll(async () => {
  await apps?.stop();
  await second?.stop();
  await first?.stop();
}, startMsMax);

test.each([
  ['', false],
  ['?target_session_attrs=read-write', false],
  ['?target_session_attrs=primary', false],
  ['?target_session_attrs=standby', true],
  ['?target_session_attrs=read-only', true],
  ['?target_session_attrs=prefer-standby', true],
])('several hosts%s: the server with that role, whichever comes first', async (parameters, standby) => {
  for (const servers of [
    [first, second],
    [second, first],
  ]) {
    const url = urlOf(parameters, servers);
    const sql = pool(url);
    expect(await inRecovery(sql)).toBe(standby);
    await sql.end();
    const { rows } = await withClient(url, (client) => client.query('SELECT pg_is_in_recovery() AS standby'));
    expect(rows[0].standby).toBe(standby);
  }
});

test('a role that no server has is an error that may pass, and names the role', async () => {
  const sql = pool(urlOf('?target_session_attrs=standby', [first]));
  await expect(inRecovery(sql)).rejects.toThrow('is standby (target_session_attrs)');
  await sql.end();
});

test('a write that reaches a standby is temporary, and the connection is left', async () => {
  const sql = pool(urlOf('?target_session_attrs=any', [second]));
  const [before] = await sql`SELECT pg_backend_pid() AS pid`;
  const error = await sql`CREATE TABLE x ()`.catch((fault) => fault);
  expect(isTemporary(error.code)).toBe(true);
  let pid = before!.pid;
  while (pid === before!.pid) pid = (await sql`SELECT pg_backend_pid() AS pid`.catch(() => [before]))[0]!.pid;
  await sql.end();
});

test(
  'the primary is killed for good, the standby promoted: the apps go on, nothing is lost or doubled',
  async () => {
    apps = await startApps({ DATABASE_URL: urlOf() });
    const meter = JSON.stringify({ slug: 'calls', eventType: 'call', aggregation: 'COUNT' });
    await fetch(`${apps.url}/api/v1/meters`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: meter,
    });
    const accepted = new Set<string>();
    let stop = false;
    const sending = (async () => {
      for (let n = 0; !stop; n++) {
        const id = `e${n}`;
        const body = JSON.stringify({
          specversion: '1.0',
          id,
          source: 's',
          type: 'call',
          subject: `c${n % 50}`,
        });
        const headers = { 'Content-Type': 'application/cloudevents+json' };
        const answer = await fetch(`${apps.url}/api/v1/events`, { method: 'POST', headers, body }).catch(
          () => undefined,
        );
        if (answer?.status === 204) accepted.add(id);
        await Bun.sleep(2);
      }
    })();
    await until(() => accepted.size > 200);
    process.kill(first.pid, 'SIGKILL');
    for (const pid of await children(first.pid)) process.kill(pid, 'SIGKILL');
    await until(() => accepted.size > 400); // Redis takes them while no PostgreSQL does
    await withClient(second.url, async (client) => {
      await client.query('SELECT pg_promote(true, 60)');
      await client.query("ALTER SYSTEM SET synchronous_standby_names = ''");
      await client.query('SELECT pg_reload_conf()');
    });
    await until(() => accepted.size > 600);
    stop = true;
    await sending;
    let total = 0;
    while (total < accepted.size) {
      const answer = await fetch(`${apps.url}/api/v1/meters/calls/query`);
      if (answer.ok) total = ((await answer.json()) as { data: { value: number }[] }).data[0]?.value ?? 0;
    }
    const stored = await withClient(second.url, (client) =>
      client.query('SELECT count(*)::int AS rows, count(DISTINCT id)::int AS ids FROM events'),
    );
    // A request that got no answer may have been stored as well; each counts once.
    expect(stored.rows[0].rows).toBe(stored.rows[0].ids);
    expect(total).toBe(stored.rows[0].ids);
    expect(total).toBeGreaterThanOrEqual(accepted.size);
  },
  startMsMax,
);

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await Bun.sleep(10);
}

async function children(pid: number): Promise<number[]> {
  const text = await Bun.file(`/proc/${pid}/task/${pid}/children`)
    .text()
    .catch(() => '');
  return text.trim().split(' ').filter(Boolean).map(Number);
}
