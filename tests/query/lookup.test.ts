import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { connect, type Sql } from '@usage/db/connection/connect.ts';
import { keptSinceUs, storedIds } from '@usage/db/events/storedIds.ts';
import { eventStorage } from '@usage/db/schema/storagePolicies.ts';
import { formatTimeUs } from '@usage/lib/event/time.ts';
import { createDatabase } from '../support/database.ts';
import { event, openQueryTest, type QueryTest } from './app.ts';

describe('POST /api/v1/events/lookup', () => {
  let query: QueryTest;
  beforeAll(async () => {
    query = await openQueryTest();
    await query.pipeline.process(
      [event('acme', '2026-11-01T10:00:00Z', { tokens: 1 }, { id: 'kept', source: 'a' })],
      Date.now(),
    );
  });
  afterAll(() => query.close());

  const lookUp = async (body: unknown) => {
    const response = await query.post('/api/v1/events/lookup', body);
    return {
      status: response.status,
      body: (await response.json()) as { detail?: string; stored?: unknown },
    };
  };

  test('answers with the stored ones of the ids and their sources', async () => {
    const stored = [{ id: 'kept', source: 'a' }];
    expect(await lookUp({ ids: ['kept', 'other'] })).toEqual({ status: 200, body: { stored } });
    const day = { from: '2026-11-01T00:00:00Z', to: '2026-11-02T00:00:00Z' };
    expect((await lookUp({ ids: ['kept'], ...day })).body).toEqual({ stored });
    const dayBefore = { from: '2026-10-31T00:00:00Z', to: '2026-11-01T00:00:00Z' };
    expect((await lookUp({ ids: ['kept'], ...dayBefore })).body).toEqual({ stored: [] });
  });

  test.each([
    [{}, 'ids'],
    [{ ids: [] }, 'ids'],
    [{ ids: [1] }, 'ids'],
    [{ ids: ['a'], from: '2026-11-01T00:00:00Z' }, 'to'],
    [{ ids: ['a'], from: 'today', to: 'x' }, 'from'],
    [{ ids: ['a'], subject: 'acme' }, 'subject'],
    [[], 'body'],
  ])('%j is refused', async (body, named) => {
    const { status, body: problem } = await lookUp(body);
    expect({ status, detail: problem.detail }).toEqual({
      status: 400,
      detail: expect.stringContaining(named),
    });
  });
});

describe.each([true, false])('what is stored (TimescaleDB where it is there: %p)', (timescale) => {
  let sql: Sql;
  let drop: () => Promise<void>;
  beforeAll(async () => {
    const database = await createDatabase({ timescale });
    sql = connect({ url: database.url, name: 'stored ids', connectionsMax: 1, statementMsMax: 10_000 });
    drop = async () => {
      await sql.end();
      await database.drop();
    };
    for (const [batch, day] of ['2026-08-03', '2026-08-10', '2026-11-02'].entries()) {
      await sql`SELECT open_period(${day}::date)`;
      await sql`INSERT INTO events (time, ingested_at, batch_id, period, namespace, source, id, type, subject)
                VALUES (${day}::timestamptz, ${day}::timestamptz, ${batch}, ${day}::date, 'default', 's', ${day}, 't', 'x')`;
      await sql`INSERT INTO batches (id, processor, meters_version, events, duplicates, arrived_from, arrived_to, identity_table)
                VALUES (${batch}, 'p', 1, 1, 0, ${day}::timestamptz, ${day}::timestamptz, 1)`;
    }
  });
  afterAll(() => drop());

  const ids = ['2026-08-03', '2026-08-10', '2026-11-02', 'none'];

  test('is found in every period and no other namespace', async () => {
    expect((await storedIds(sql, 'default', ids, undefined)).map(({ id }) => id).sort()).toEqual(
      ids.slice(0, 3),
    );
    expect(await storedIds(sql, 'other', ids, undefined)).toEqual([]);
    expect(await keptSinceUs(sql)).toBeUndefined();
  });

  test('is kept since the oldest period that is left', async () => {
    if ((await eventStorage(sql)) !== 'partitions')
      await sql`SELECT drop_chunks('events', older_than => '2026-08-10'::date)`;
    else await sql`DROP TABLE events_20260803`;
    expect(formatTimeUs((await keptSinceUs(sql))!)).toBe('2026-08-10T00:00:00Z');
    expect((await storedIds(sql, 'default', ids, undefined)).length).toBe(2);
  });
});
