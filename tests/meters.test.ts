import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { connect, type Sql } from '@usage/db/connection/connect.ts';
import {
  getMeter,
  listMeters,
  loadMeters,
  type MeterListing,
  metersPerNamespaceMax,
} from '@usage/db/meters/findMeters.ts';
import type { StoredMeter } from '@usage/db/meters/meterRow.ts';
import { createMeter, deleteMeter, updateMeter } from '@usage/db/meters/meters.ts';
import { readRegistry, readRegistryShared } from '@usage/db/meters/registry.ts';
import { changeMeters, MeterRegistryBusy } from '@usage/db/meters/registryLock.ts';
import type { MeterDefinition } from '@usage/lib/meter/definition.ts';
import { createDatabase, type TestDatabase } from './support/database.ts';

let database: TestDatabase;
let sql: Sql;

beforeAll(async () => {
  database = await createDatabase();
  sql = connect({ url: database.url, name: 'meters test', connectionsMax: 8, statementMsMax: 10_000 });
});
afterAll(async () => {
  await sql.end();
  await database.drop();
});
beforeEach(async () => {
  await sql`TRUNCATE meters, batches CASCADE`;
});

const tokens: MeterDefinition = {
  slug: 'tokens',
  name: 'Tokens',
  description: 'AI tokens',
  metadata: { owner: 'billing' },
  eventType: 'prompt',
  eventFromUs: 1_735_689_600_123_456,
  aggregation: 'SUM',
  valueProperty: '$.tokens',
  groupBy: { model: '$.model' },
};

async function create(slug: string, namespace = 'default'): Promise<StoredMeter> {
  const outcome = await createMeter(sql, namespace, { ...tokens, slug });
  if ('refused' in outcome) throw new Error(outcome.refused);
  return outcome.meter;
}

async function version(): Promise<bigint> {
  return (await readRegistry(sql)).version;
}

async function storeBatch(id: number): Promise<void> {
  await sql`INSERT INTO batches (id, processor, meters_version, events, duplicates, arrived_from, arrived_to, identity_table)
            VALUES (${id}, 'test', ${await version()}, 1, 0, now(), now(), 1)`;
}

describe('creating a meter', () => {
  test('keeps every field, to the microsecond', async () => {
    const created = await create('tokens');
    expect(created).toMatchObject({ ...tokens, namespace: 'default', deletedAt: undefined });
    expect(created.id).toMatch(/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/);
    expect(created.createdAt).toBeInstanceOf(Date);
    expect(await getMeter(sql, 'default', 'tokens')).toEqual(created);
    expect(await getMeter(sql, 'default', created.id)).toEqual(created);
    expect(await getMeter(sql, 'other', created.id)).toBeUndefined();
  });

  test('counts a version and has nothing to backfill before the first batch', async () => {
    const before = await version();
    const created = await create('tokens');
    expect(await version()).toBe(before + 1n);
    expect(created.generationVersion).toBe(before + 1n);
    expect(created.backfillAfter).toBe(-1n);
    expect(created.backfilledAt).toBeInstanceOf(Date);
  });

  test('waits for a backfill once batches are stored', async () => {
    await storeBatch(1);
    const created = await create('tokens');
    expect(created.backfilledAt).toBeUndefined();
    expect(created.backfillAfter).toBe(-1n);
  });

  test('is refused for a slug that is taken, without a new version', async () => {
    await create('tokens');
    const before = await version();
    expect(await createMeter(sql, 'default', tokens)).toEqual({ refused: 'slug' });
    expect(await version()).toBe(before);
    expect(await create('tokens', 'another namespace')).toMatchObject({ slug: 'tokens' });
  });

  test('of one slug by ten at once makes one meter, of ten slugs makes ten generations', async () => {
    const before = await version();
    const same = await Promise.all(Array.from({ length: 10 }, () => createMeter(sql, 'default', tokens)));
    expect(same.filter((outcome) => 'meter' in outcome)).toHaveLength(1);
    expect(await version()).toBe(before + 1n);
    const others = await Promise.all(Array.from({ length: 10 }, (_, i) => create(`tokens_${i}`)));
    expect(new Set(others.map(({ generation }) => generation)).size).toBe(10);
    expect(new Set(others.map(({ generationVersion }) => generationVersion)).size).toBe(10);
    expect(await version()).toBe(before + 11n);
  });

  test('is refused beyond the limit of a namespace', async () => {
    await sql`
      INSERT INTO meters (id, namespace, slug, name, event_type, aggregation, build_version)
      SELECT 'id' || n, 'default', 'slug' || n, 'n', 't', 'COUNT', 1 FROM generate_series(1, ${metersPerNamespaceMax}) n`;
    expect(await createMeter(sql, 'default', tokens)).toEqual({ refused: 'limit' });
    expect(await createMeter(sql, 'other', tokens)).toHaveProperty('meter');
  });
});

describe('changing a meter', () => {
  test('in name, description and metadata leaves generation and version', async () => {
    await storeBatch(1);
    const created = await create('tokens');
    const before = await version();
    const changed = await updateMeter(sql, 'default', created.id, {
      name: 'N',
      description: null,
      metadata: { a: 'b' },
      groupBy: { model: '$.model' },
    });
    expect(changed).toEqual({
      ...created,
      name: 'N',
      description: undefined,
      metadata: { a: 'b' },
      updatedAt: changed!.updatedAt,
    });
    expect(changed!.updatedAt.getTime()).toBeGreaterThanOrEqual(created.updatedAt.getTime());
    expect(await version()).toBe(before);
    expect(await updateMeter(sql, 'default', created.id, {})).toMatchObject({
      name: 'N',
      metadata: { a: 'b' },
    });
  });

  test('in groupBy starts a generation to backfill and counts a version', async () => {
    const created = await create('tokens');
    await storeBatch(1);
    await sql`UPDATE meters SET backfill_after = 7, backfilled_at = now()`;
    const before = await version();
    const changed = await updateMeter(sql, 'default', created.id, {
      groupBy: { model: '$.model', b: '$.b' },
    });
    expect(changed).toMatchObject({
      groupBy: { model: '$.model', b: '$.b' },
      generationVersion: before + 1n,
      backfillAfter: -1n,
      backfilledAt: undefined,
      name: 'Tokens',
    });
    expect(changed!.generation).toBeGreaterThan(created.generation);
    expect(await version()).toBe(before + 1n);
  });

  test('that is deleted or of another namespace changes nothing', async () => {
    const created = await create('tokens');
    const before = await version();
    expect(await updateMeter(sql, 'other', created.id, { groupBy: {} })).toBeUndefined();
    await deleteMeter(sql, 'default', created.id);
    expect(await updateMeter(sql, 'default', created.id, { groupBy: {} })).toBeUndefined();
    expect(await version()).toBe(before + 1n);
  });
});

describe('deleting a meter', () => {
  test('counts one version, frees its slug and keeps it readable by id', async () => {
    const created = await create('tokens');
    const before = await version();
    expect(await deleteMeter(sql, 'other', created.id)).toBe(false);
    expect(await deleteMeter(sql, 'default', created.id)).toBe(true);
    expect(await deleteMeter(sql, 'default', created.id)).toBe(false);
    expect(await version()).toBe(before + 1n);
    expect(await getMeter(sql, 'default', 'tokens')).toBeUndefined();
    expect((await getMeter(sql, 'default', created.id))!.deletedAt).toBeInstanceOf(Date);
    const next = await create('tokens');
    expect(next.generation).not.toBe(created.generation);
    expect((await getMeter(sql, 'default', 'tokens'))!.id).toBe(next.id);
  });
});

describe('the registry', () => {
  test('is loaded with its version, without what is deleted', async () => {
    expect((await loadMeters(sql)).meters).toEqual([]);
    const a = await create('a');
    const b = await create('b', 'other');
    await deleteMeter(sql, 'default', (await create('c')).id);
    const { version: loaded, token } = await readRegistry(sql);
    expect(await loadMeters(sql)).toEqual({ version: loaded, token, meters: [a, b] });
  });

  test('does not change while a batch commits, and the waiting change sees the batch', async () => {
    let seen: bigint | undefined;
    let release!: () => void;
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    let locked!: () => void;
    const holding = new Promise<void>((resolve) => {
      locked = resolve;
    });
    const batch = sql.begin(async (tx) => {
      seen = (await readRegistryShared(tx)).version;
      locked();
      await released;
      await tx`INSERT INTO batches (id, processor, meters_version, events, duplicates, arrived_from, arrived_to, identity_table)
               VALUES (1, 'test', ${seen}, 1, 0, now(), now(), 1)`;
    });
    await holding;
    const creation = create('tokens');
    await waitsForLock();
    expect(await version()).toBe(seen!);
    release();
    await batch;
    const created = await creation;
    expect(created.generationVersion).toBe(seen! + 1n);
    expect(created.backfilledAt).toBeUndefined();
  });

  test('that stays locked ends the wait with an error that says so, and nothing is changed', async () => {
    const before = await version();
    await sql.begin(async (tx) => {
      await readRegistryShared(tx);
      const change = changeMeters(sql, async () => 'changed', 50);
      const error = await change.catch((thrown) => thrown);
      expect(error).toBeInstanceOf(MeterRegistryBusy);
      expect(error.message).toContain('Nothing was changed; try again.');
    });
    expect(await version()).toBe(before);
  });

  async function waitsForLock(): Promise<void> {
    for (let tries = 0; tries < 1_000; tries++) {
      const [row] = await sql<{ waiting: boolean }[]>`
        SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                       WHERE l.locktype = 'advisory' AND NOT l.granted AND d.datname = current_database()) AS waiting`;
      if (row!.waiting) return;
    }
    throw new Error('nobody waits for the lock');
  }
});

describe('a listing', () => {
  const all: MeterListing = { page: 1, pageSize: 100, orderBy: 'key', order: 'ASC', includeDeleted: false };
  const slugs = async (listing: Partial<MeterListing>) =>
    (await listMeters(sql, 'default', { ...all, ...listing })).map(({ slug }) => slug);

  test('is ordered, paged and without what is deleted', async () => {
    const c = await create('c');
    await create('a');
    const b = await create('b');
    await create('z', 'other');
    await updateMeter(sql, 'default', c.id, { name: 'A' });
    await updateMeter(sql, 'default', b.id, { name: 'Z' });
    expect(await slugs({})).toEqual(['a', 'b', 'c']);
    expect(await slugs({ order: 'DESC' })).toEqual(['c', 'b', 'a']);
    expect(await slugs({ orderBy: 'name' })).toEqual(['c', 'a', 'b']);
    expect(await slugs({ orderBy: 'createdAt' })).toEqual(['c', 'a', 'b']);
    expect(await slugs({ orderBy: 'updatedAt' })).toEqual(['a', 'c', 'b']);
    expect(await slugs({ orderBy: 'aggregation', order: 'DESC' })).toHaveLength(3);
    expect(await slugs({ pageSize: 2, page: 2 })).toEqual(['c']);
    expect(await slugs({ pageSize: 2, page: 3 })).toEqual([]);
    await deleteMeter(sql, 'default', c.id);
    expect(await slugs({})).toEqual(['a', 'b']);
    expect(await slugs({ includeDeleted: true })).toEqual(['a', 'b', 'c']);
  });
});
