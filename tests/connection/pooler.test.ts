import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@usage/db/connection/connect.ts';
import { isAccepting } from '@usage/db/connection/server.ts';
import { refuseHopelessConnection } from '@usage/db/connection/startError.ts';
import { migrateOver } from '@usage/db/schema/migrate.ts';
import { freePort } from '../../scripts/local/ports.ts';
import { unprivileged } from '../../scripts/local/unprivileged.ts';
import { type RunningApps, startApps } from '../support/apps.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

/** The real PgBouncer in transaction mode, with two server connections and otherwise as it comes. */
const pgbouncer = Bun.which('pgbouncer');
const startMsMax = 60_000;
let folder: string;
let database: TestDatabase;
let bouncer: Bun.Subprocess;
let pooledUrl: string;

describe.if(pgbouncer !== null)('through PgBouncer in transaction mode', () => {
  beforeAll(async () => {
    database = await createDatabase();
    folder = await mkdtemp(join(tmpdir(), 'usage-pgbouncer-'));
    await chmod(folder, 0o755);
    const port = await freePort();
    pooledUrl = await start(port);
  }, startMsMax);
  afterAll(async () => {
    bouncer?.kill('SIGKILL');
    await bouncer?.exited;
    await database?.drop();
    await rm(folder, { recursive: true, force: true });
  });

  test('a start that does not know of it ends at once and says what to do', async () => {
    await expect(refuseHopelessConnection(pooledUrl)).rejects.toThrow(
      'leads to a pooler such as PgBouncer, not to PostgreSQL itself: add pgbouncer=true to it, and set DIRECT_DATABASE_URL',
    );
    const child = Bun.spawn([process.execPath, 'apps/processor/main.ts'], {
      cwd: join(import.meta.dirname, '../..'),
      env: { PATH: process.env.PATH, DATABASE_URL: pooledUrl, PROCESSOR_PORT: '0' },
      stdout: 'pipe',
      stderr: 'pipe',
    });
    expect(await child.exited).toBe(1);
    const said = (await new Response(child.stdout).text()) + (await new Response(child.stderr).text());
    expect(said).toContain('add pgbouncer=true');
    expect(said).not.toMatch(/\n\s+at /);
  });

  test('migrate asks for the direct address, and takes it', async () => {
    const known = `${pooledUrl}?pgbouncer=true`;
    await expect(migrateOver(known, undefined, { direction: 'up' })).rejects.toThrow(
      'set DIRECT_DATABASE_URL',
    );
    await expect(migrateOver(pooledUrl, undefined, { direction: 'up' })).rejects.toThrow('pgbouncer=true');
    expect((await migrateOver(known, database.url, { direction: 'up' })).ran).toEqual([]);
  });

  test('limits hold inside a transaction and are gone with it, whoever had the server connection before', async () => {
    const options = { url: `${pooledUrl}?pgbouncer=true`, connectionsMax: 1 };
    const quick = connect({ ...options, name: 'quick', statementMsMax: 50, lockMsMax: 20 });
    const slow = connect({ ...options, name: 'slow', statementMsMax: 10_000 });
    await expect(quick.begin((tx) => tx`SELECT pg_sleep(5)`)).rejects.toMatchObject({ code: '57014' });
    for (let n = 0; n < 4; n++) {
      const [seen] = await slow.begin(
        (
          tx,
        ) => tx`SELECT current_setting('statement_timeout') AS statement, current_setting('lock_timeout') AS lock,
                          current_setting('TimeZone') AS zone, current_setting('application_name') AS name`,
      );
      expect(seen).toEqual({ statement: '10s', lock: '0', zone: 'UTC', name: 'slow' });
    }
    await quick.end();
    await slow.end();
  });

  test(
    'the whole system stores, merges and answers',
    async () => {
      const apps: RunningApps = await startApps({ DATABASE_URL: `${pooledUrl}?pgbouncer=true` });
      const send = (path: string, type: string, body: unknown) =>
        fetch(apps.url + path, {
          method: 'POST',
          headers: { 'Content-Type': type },
          body: JSON.stringify(body),
        });
      const meter = { slug: 'tokens', eventType: 'llm', aggregation: 'SUM', valueProperty: '$.tokens' };
      expect((await send('/api/v1/meters', 'application/json', meter)).ok).toBe(true);
      for (let n = 0; n < 20; n++) {
        const events = Array.from({ length: 50 }, (_, i) => ({
          specversion: '1.0',
          id: `${n}-${i}`,
          source: 's',
          type: 'llm',
          subject: 'c',
          data: { tokens: 2 },
        }));
        expect((await send('/api/v1/events', 'application/cloudevents-batch+json', events)).status).toBe(204);
        expect((await send('/api/v1/events', 'application/cloudevents-batch+json', events)).status).toBe(204);
      }
      let total: number | undefined;
      while (total !== 2_000) {
        const answer = await fetch(`${apps.url}/api/v1/meters/tokens/query`);
        total = ((await answer.json()) as { data: { value: number }[] }).data[0]?.value;
        expect(total ?? 0).toBeLessThanOrEqual(2_000);
      }
      await apps.stop();
    },
    startMsMax,
  );
});

/** Returns the URL of the database through it. */
async function start(port: number): Promise<string> {
  const server = new URL(database.url);
  const users = join(folder, 'users.txt');
  await writeFile(users, `"${server.username}" "${decodeURIComponent(server.password)}"\n`);
  const file = join(folder, 'pgbouncer.ini');
  await writeFile(
    file,
    `[databases]
${server.pathname.slice(1)} = host=${server.hostname} port=${server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
auth_type = scram-sha-256
auth_file = ${users}
pool_mode = transaction
default_pool_size = 4
`,
  );
  bouncer = Bun.spawn([...unprivileged().prefix, pgbouncer!, file], {
    cwd: '/tmp',
    stdout: 'ignore',
    stderr: 'ignore',
  });
  const url = new URL(database.url);
  url.port = String(port);
  while (!(await isAccepting(url.href))) await Bun.sleep(20);
  return url.href;
}
