import { expect, test } from 'bun:test';
import pg from 'pg';
import { withClient } from '../../db/connection/client.ts';
import { createDatabase } from './database.ts';

test('two files get databases of their own, migrated and empty', async () => {
  const [one, two] = await Promise.all([createDatabase(), createDatabase()]);
  await withClient(one.url, (client) => client.query(`SELECT open_period('2026-01-01')`));
  const { rows } = await withClient(two.url, (client) =>
    client.query('SELECT count(*)::int AS count FROM periods'),
  );
  expect(rows).toEqual([{ count: 0 }]);
  await one.drop();
  await two.drop();
});

test('a connection that is left open is named', async () => {
  const database = await createDatabase();
  const client = new pg.Client({ connectionString: database.url, application_name: 'forgotten' });
  client.on('error', () => {});
  await client.connect();
  await expect(database.drop()).rejects.toThrow(/connection forgotten/);
});
