import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { abandonConnections, connect, type Sql } from '@usage/db/connection/connect.ts';
import { NoAnswer, withAttempts, withDeadline } from '@usage/db/connection/deadline.ts';
import { terminateStalledBackends } from '@usage/db/connection/stalledBackends.ts';
import { freePort } from '../../scripts/local/ports.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { TcpProxy } from './proxy.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

describe('connections that are given up', () => {
  let sql: Sql;
  beforeEach(() => {
    sql = connect({ url: database.url, name: 'silence', connectionsMax: 1, statementMsMax: 5_000 });
  });
  afterEach(() => sql.end());

  test('the statement under way rejects, the next one gets a fresh connection', async () => {
    await sql`SELECT 1`;
    for (let round = 0; round < 5; round++) {
      // Given up while the statement's bytes are still waiting to be written (patches/postgres: they stayed for good).
      const under = sql`SELECT ${round}::int AS n`.execute();
      abandonConnections(sql);
      expect(await under.catch((error) => error.code)).toBe('CONNECTION_CLOSED');
      const startedMs = performance.now();
      expect((await sql`SELECT 2 AS n`)[0]!.n).toBe(2);
      expect(performance.now() - startedMs).toBeLessThan(3_000);
    }
  });

  test('what a transaction does after its connection has died never runs in the session that follows', async () => {
    const reached = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const late = Promise.withResolvers<unknown>();
    const outcome = sql
      .begin(async (tx) => {
        await tx`SELECT 1`;
        reached.resolve();
        await goOn.promise;
        await tx`INSERT INTO periods (period) VALUES ('2002-01-01')`.then(late.resolve, late.resolve);
      })
      .catch((error) => error.code);
    await reached.promise;
    abandonConnections(sql);
    expect(await outcome).toBe('CONNECTION_CLOSED');
    expect((await sql`SELECT 2 AS n`)[0]!.n).toBe(2);
    goOn.resolve();
    expect(await late.promise).toBeInstanceOf(Error);
    expect(await sql`SELECT FROM periods WHERE period = '2002-01-01'`).toHaveLength(0);
  });

  test('a transaction whose client is silent in the middle of a COPY is ended, and what it locked is free', async () => {
    const other = connect({ url: database.url, name: 'watcher', connectionsMax: 1, statementMsMax: 5_000 });
    const copying = Promise.withResolvers<void>();
    const held = sql
      .begin(async (tx) => {
        await tx`INSERT INTO periods (period) VALUES ('2001-01-01')`;
        const copy = await tx.unsafe('COPY periods (period) FROM STDIN').writable();
        copy.on('error', () => {});
        copy.write('2001-01-02\n');
        copying.resolve();
        await new Promise((_, reject) => copy.on('error', reject));
      })
      .catch((error) => error);
    await copying.promise;
    let ended = 0;
    while (ended === 0) ended = await terminateStalledBackends(other, 'silence', 0);
    expect(await held).toBeInstanceOf(Error);
    await other`INSERT INTO periods (period) VALUES ('2001-01-01')`;
    await other.end();
  });
});

test('PostgreSQL behind a network that swallows everything: no answer in time, then on it goes', async () => {
  const target = new URL(database.url);
  const proxy = new TcpProxy(await freePort(), Number(target.port));
  target.port = String(proxy.port);
  const sql = connect({ url: target.href, name: 'deadline', connectionsMax: 2, statementMsMax: 60_000 });
  const within = <T>(run: () => Promise<T>) => withDeadline(sql, 300, run);
  expect(await within(async () => (await sql`SELECT 1 AS n`)[0]!.n)).toBe(1);

  proxy.stall();
  const lost = await within(() => sql.begin((tx) => tx`SELECT pg_sleep(0)`)).catch((error) => error);
  expect(lost).toBeInstanceOf(NoAnswer);

  proxy.abandon();
  expect(await within(async () => (await sql`SELECT 2 AS n`)[0]!.n)).toBe(2);
  await sql.end({ timeout: 1 });
  proxy.close();
});

test('what follows a missed answer at once is not given to a connection that was idle and is given up as well', async () => {
  const target = new URL(database.url);
  const proxy = new TcpProxy(await freePort(), Number(target.port));
  target.port = String(proxy.port);
  const sql = connect({ url: target.href, name: 'deadline', connectionsMax: 2, statementMsMax: 60_000 });
  const within = <T>(run: () => Promise<T>) => withDeadline(sql, 300, run);
  for (let round = 0; round < 5; round++) {
    await Promise.all([1, 2].map(() => sql`SELECT pg_sleep(0.05)`.execute()));
    proxy.stall();
    const next = within(() => sql.begin((tx) => tx`SELECT 1`)).catch((error) => {
      expect(error).toBeInstanceOf(NoAnswer);
      proxy.abandon();
      return sql`SELECT 2 AS n`;
    });
    expect((await next)[0]!.n).toBe(2);
  }
  await sql.end({ timeout: 1 });
  proxy.close();
});

test('an answer that does not come within one deadline is asked for again within the next, and no longer', async () => {
  const sql = connect({ url: database.url, name: 'deadline', connectionsMax: 2, statementMsMax: 60_000 });
  let attempts = 0;
  const slow = () => {
    attempts++;
    return sql`SELECT pg_sleep(0.5) AS slept`.execute();
  };
  expect(await withAttempts(sql, [100, 200, 20_000], slow)).toHaveLength(1);
  expect(attempts).toBe(3);
  expect(await withAttempts(sql, [100, 200], slow).catch((error) => error)).toBeInstanceOf(NoAnswer);
  expect(attempts).toBe(5);
  const stopping = withAttempts(sql, [100, 20_000], slow, () => true).catch((error) => error);
  expect(await stopping).toBeInstanceOf(NoAnswer);
  expect(attempts).toBe(6);
  const refused = withAttempts(sql, [20_000, 20_000], () => sql`SELECT nothing`.execute()).catch(
    (error) => error.code,
  );
  expect(await refused).toBe('42703');
  await sql.end({ timeout: 1 });
});
