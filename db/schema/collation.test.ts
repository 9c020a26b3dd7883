import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { postgresUrl } from '@usage/tests/support/servers.ts';
import { withClient } from '../connection/client.ts';
import { createTimescaleIfOffered } from '../connection/server.ts';
import { migrate } from './migrate.ts';

/** Of a database whose order is not that of bytes: made from template0, where the server has ICU. */
const name = `usage_test_collation_${process.pid}`;
const adminUrl = await postgresUrl();
const hasIcu = await withClient(adminUrl, async (client) => {
  const { rows } = await client.query(
    `SELECT (SELECT count(*) FROM pg_collation WHERE collprovider = 'i') > 0 AND current_setting('server_version_num')::int >= 150000 AS icu`,
  );
  return rows[0].icu as boolean;
});

describe.if(hasIcu)('a database with an order of its own', () => {
  const url = (() => {
    const changed = new URL(adminUrl);
    changed.pathname = `/${name}`;
    return changed.href;
  })();
  beforeAll(() =>
    withClient(adminUrl, async (client) => {
      await client.query(
        `CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'en'`,
      );
    }),
  );
  afterAll(() =>
    withClient(adminUrl, async (client) => {
      await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    }),
  );

  test('every text that decides identity or order is compared by its bytes', async () => {
    await createTimescaleIfOffered(url);
    await migrate(url, { direction: 'up' });
    await withClient(url, async (client) => {
      const { rows } = await client.query(`
        SELECT DISTINCT c.relname || '.' || a.attname AS column
        FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
        WHERE c.relnamespace = 'public'::regnamespace AND a.attcollation = 'pg_catalog.default'::regcollation
          AND c.relname <> 'migrations'
        ORDER BY 1`);
      expect(rows.map((row) => row.column)).toEqual([]);
      const events = await client.query(`
        SELECT DISTINCT collation_name FROM information_schema.columns
        WHERE table_name = 'events' AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'`);
      const native = await client.query(
        `SELECT FROM pg_class WHERE oid = 'events'::regclass AND relkind = 'p'`,
      );
      expect(events.rows.length).toBe(native.rows.length);
    });
  }, 60_000);
});
