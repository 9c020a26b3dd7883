import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withClient } from '@usage/db/connection/client.ts';
import { abandonConnections, connect } from '@usage/db/connection/connect.ts';
import { startErrorOf } from '@usage/db/connection/startError.ts';
import type { LocalPostgres } from '../../scripts/local/postgres.ts';
import { makeCertificates } from '../support/certificates.ts';
import { startTestPostgres } from '../support/servers.ts';

/** A server whose certificate, for localhost alone, is signed by a CA of its own: both ways in must read each URL alike. */
let folder: string;
let server: LocalPostgres;
let plain: LocalPostgres;
const startMsMax = 60_000;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'usage-tls-'));
  await makeCertificates(folder);
  const file = (name: string) => Bun.file(join(folder, name)).text();
  [server, plain] = await Promise.all([startTestPostgres(), startTestPostgres()]);
  // Given to the server by itself, so that it owns the files whoever it runs as.
  await withClient(server.url, async (client) => {
    for (const name of ['server.key', 'server.crt']) {
      await client.query(
        `COPY (SELECT unnest(string_to_array($$${(await file(name)).trim()}$$, E'\\n'))) TO PROGRAM 'umask 077; cat > ${name}'`,
      );
    }
    await client.query('ALTER SYSTEM SET ssl = on');
    await client.query('SELECT pg_reload_conf()');
    while ((await client.query('SHOW ssl')).rows[0].ssl !== 'on') await Bun.sleep(10);
  });
}, startMsMax);
afterAll(async () => {
  await Promise.all([server?.stop(), plain?.stop()]);
  await rm(folder, { recursive: true, force: true });
});

type Outcome = 'encrypted' | 'plain' | 'refused';

describe('sslmode means the same to the apps and to migrate', () => {
  test.each<[string, string, Outcome]>([
    ['127.0.0.1', '', 'plain'],
    ['127.0.0.1', 'sslmode=disable', 'plain'],
    ['127.0.0.1', 'sslmode=prefer', 'encrypted'],
    ['127.0.0.1', 'sslmode=require', 'encrypted'],
    ['127.0.0.1', 'sslmode=no-verify', 'encrypted'],
    ['127.0.0.1', 'sslmode=require&sslrootcert=CA', 'encrypted'],
    ['127.0.0.1', 'sslmode=require&sslrootcert=OTHER', 'refused'],
    ['127.0.0.1', 'sslmode=verify-ca&sslrootcert=CA', 'encrypted'],
    ['127.0.0.1', 'sslmode=verify-ca', 'refused'],
    ['127.0.0.1', 'sslmode=verify-full&sslrootcert=CA', 'refused'],
    ['localhost', 'sslmode=verify-full&sslrootcert=CA', 'encrypted'],
    ['localhost', 'sslmode=verify-full', 'refused'],
    ['localhost', 'sslmode=require&channel_binding=require', 'refused'],
    ['localhost', 'sslmode=require&channel_binding=require&sslrootcert=CA', 'encrypted'],
  ])('%s %s: %s', async (host, parameters, expected) => {
    const url = urlOf(server, host, parameters);
    expect({ apps: await byPool(url), migrate: await byClient(url) }).toEqual({
      apps: expected,
      migrate: expected,
    });
  });

  test('a server without TLS: prefer goes on without, require is refused with what to do', async () => {
    expect(await byPool(urlOf(plain, '127.0.0.1', 'sslmode=prefer'))).toBe('plain');
    const url = urlOf(plain, '127.0.0.1', 'sslmode=require');
    expect([await byPool(url), await byClient(url)]).toEqual(['refused', 'refused']);
    const error = await withClient(url, (client) => client.query('SELECT')).catch((fault) => fault);
    expect(startErrorOf(error, url)?.message).toContain('does not speak TLS');
  });

  test('connections over TLS are given up and opened again as others are', async () => {
    const url = urlOf(server, 'localhost', 'sslmode=require');
    const sql = connect({ url, name: 'test', connectionsMax: 1, statementMsMax: 10_000 });
    const [before] = await sql`SELECT pg_backend_pid() AS pid`;
    const held = sql`SELECT pg_sleep(30)`.catch((error) => error.code);
    await abandonConnections(sql);
    expect(await held).toBe('CONNECTION_CLOSED');
    const [after] = await sql`SELECT pg_backend_pid() AS pid`;
    expect(after!.pid).not.toBe(before!.pid);
    await sql.end();
  });
});

function urlOf({ url }: LocalPostgres, host: string, parameters: string): string {
  const filled = parameters.replace('CA', join(folder, 'ca.crt')).replace('OTHER', join(folder, 'other.crt'));
  return `${url.replace('127.0.0.1', host)}?${filled}`;
}

const state = 'SELECT coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS ssl';

async function byPool(url: string): Promise<Outcome> {
  const sql = connect({ url, name: 'test', connectionsMax: 1, statementMsMax: 10_000 });
  try {
    return outcome(await sql.unsafe(state));
  } catch {
    return 'refused';
  } finally {
    await sql.end();
  }
}

async function byClient(url: string): Promise<Outcome> {
  return await withClient(url, async (client) => outcome((await client.query(state)).rows)).catch(
    () => 'refused' as const,
  );
}

function outcome(rows: { ssl?: boolean }[]): Outcome {
  return rows[0]?.ssl ? 'encrypted' : 'plain';
}
