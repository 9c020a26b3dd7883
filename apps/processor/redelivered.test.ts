import { afterAll, beforeAll, expect, test } from 'bun:test';
import { connect, type Sql } from '@usage/db/connection/connect.ts';
import { encodeFrame } from '@usage/lib/frame/encode.ts';
import { dayMs } from '@usage/lib/windows/units.ts';
import { createDatabase, type TestDatabase } from '@usage/tests/support/database.ts';
import { streamEntry } from '@usage/tests/support/frames.ts';
import { Batch } from './batch.ts';
import { inOrderOfKeys } from './keyOrder.ts';
import { outcomeMessages } from './publishOutcomes.ts';
import { Store } from './store.ts';

const arrivedMs = Date.UTC(2026, 10, 25, 12);
let database: TestDatabase;
let sql: Sql;

beforeAll(async () => {
  database = await createDatabase();
  const limits = { connectionsMax: 6, statementMsMax: 30_000, lockMsMax: 5_000 };
  sql = connect({ url: database.url, name: 'processor', ...limits });
});
afterAll(async () => {
  await sql.end();
  await database.drop();
});

const part = (namespace: string, ids: string[], waitToken?: string) => ({
  namespace,
  receivedMs: arrivedMs,
  events: JSON.stringify(
    ids.map((id) => ({ specversion: '1.0', id, source: 'test', type: 'call', subject: 'one' })),
  ),
  count: ids.length,
  ...(waitToken === undefined ? {} : { waitToken }),
});

/** What a processor that has met none of these events answers of a frame, by token: position and outcome of what is not stored. */
async function answersOf(frame: Buffer, events: number, deliveries: number, id: string) {
  const batch = new Batch();
  batch.add({ ...streamEntry(id, frame, events), deliveries });
  const by = new Store(sql, dayMs, 'test');
  const outcome = await by.store(await by.prepare(inOrderOfKeys(batch.rows)));
  const messages = outcomeMessages('usage')(batch, outcome).map(({ text }) => JSON.parse(text));
  const answers = Object.fromEntries(
    messages.map(({ token, events: special }) => [
      token,
      special.map(
        ({ position, outcome: what }: { position: number; outcome: string }) => `${position} ${what}`,
      ),
    ]),
  );
  return { stored: outcome.stored, answers };
}

test('the successor of a processor that ended between commit and ack: what the frame itself stored is no duplicate', async () => {
  await answersOf(encodeFrame([part('a', ['known'])]), 1, 1, `${arrivedMs - 60_000}-0`);
  // Twice the same id in one request; an id that was stored before; the same ids in another namespace.
  const parts = [part('a', ['x', 'y', 'x', 'known'], 'waits'), part('b', ['x', 'y'], 'waits too')];
  const frame = encodeFrame(parts);
  const right = { waits: ['2 duplicate', '3 duplicate'], 'waits too': [] };
  const id = `${arrivedMs}-1`;
  expect(await answersOf(frame, 6, 1, id)).toEqual({ stored: 4, answers: right });
  expect(await answersOf(frame, 6, 2, id)).toEqual({ stored: 4, answers: right });
  // Sent again by the client, in a frame that is delivered for the first time.
  const all = ['0 duplicate', '1 duplicate'];
  const again = encodeFrame([part('a', ['x', 'y'], 'again')]);
  expect(await answersOf(again, 2, 1, `${arrivedMs}-2`)).toEqual({ stored: 0, answers: { again: all } });
});
