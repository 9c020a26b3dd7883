import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type Sql } from '@usage/db/connection/connect.ts';
import { getMeter, listMeters } from '@usage/db/meters/findMeters.ts';
import { createMeter, deleteMeter } from '@usage/db/meters/meters.ts';
import { readRegistry } from '@usage/db/meters/registry.ts';
import { applyMetersFile } from '@usage/gateway/meters/file.ts';
import { ConfigError } from '@usage/lib/service/config.ts';
import { createLog } from '@usage/lib/service/log.ts';
import { createDatabase, type TestDatabase } from './support/database.ts';

let database: TestDatabase;
let sql: Sql;
let folder: string;
let path: string;
const log = createLog('test', 'silent');

beforeAll(async () => {
  database = await createDatabase();
  sql = connect({ url: database.url, name: 'meters file', connectionsMax: 8, statementMsMax: 10_000 });
  folder = await mkdtemp(join(tmpdir(), 'meters-file-'));
  path = join(folder, 'meters.yaml');
});
afterAll(async () => {
  await sql.end();
  await database.drop();
  await rm(folder, { recursive: true });
});
beforeEach(async () => {
  await sql`TRUNCATE meters, batches CASCADE`;
});

async function apply(yaml: string) {
  await Bun.write(path, yaml);
  return await applyMetersFile(path, sql, 'default', log);
}

async function issuesOf(yaml: string): Promise<string[]> {
  const error = await apply(yaml).catch((thrown) => thrown);
  expect(error).toBeInstanceOf(ConfigError);
  return (error as ConfigError).issues.map((issue) => issue.replace(`${path}:`, ''));
}

async function stored() {
  const listing = { page: 1, pageSize: 100, orderBy: 'key', order: 'ASC', includeDeleted: false } as const;
  return await listMeters(sql, 'default', listing);
}

const calls = `
- slug: api_requests_total
  description: API Requests
  eventType: request
  aggregation: COUNT
  groupBy:
    method: $.method
    route: $.route
`;
const tokens = `
- slug: tokens_total
  name: Tokens
  eventType: prompt
  eventFrom: 2023-01-01T00:00:00Z
  aggregation: SUM
  valueProperty: $.tokens
  metadata: { owner: billing }
`;

describe('a meters file', () => {
  test('creates what is missing and, applied again, changes nothing', async () => {
    expect(await apply(calls + tokens)).toEqual({
      created: ['api_requests_total', 'tokens_total'],
      updated: [],
      unchanged: [],
    });
    const before = { meters: await stored(), registry: await readRegistry(sql) };
    expect(before.meters).toMatchObject([
      {
        slug: 'api_requests_total',
        name: 'api_requests_total',
        groupBy: { method: '$.method', route: '$.route' },
      },
      {
        slug: 'tokens_total',
        name: 'Tokens',
        eventFromUs: 1_672_531_200_000_000,
        metadata: { owner: 'billing' },
      },
    ]);
    const again = await apply(tokens + calls);
    expect(again).toEqual({ created: [], updated: [], unchanged: ['tokens_total', 'api_requests_total'] });
    expect({ meters: await stored(), registry: await readRegistry(sql) }).toEqual(before);
  });

  test('changes what can be changed; only groupBy makes a new generation', async () => {
    await apply(calls + tokens);
    const before = await stored();
    const changedCalls = calls.replace('API Requests', 'All requests');
    const changedTokens = tokens
      .replace('name: Tokens', 'groupBy: { model: $.model }')
      .replace(/ +metadata.*/, '');
    expect(await apply(changedCalls + changedTokens)).toMatchObject({
      updated: ['api_requests_total', 'tokens_total'],
    });
    const after = await stored();
    expect(after).toMatchObject([
      { description: 'All requests', generation: before[0]!.generation },
      { name: 'tokens_total', metadata: undefined, groupBy: { model: '$.model' } },
    ]);
    expect(after[1]!.generation).toBeGreaterThan(before[1]!.generation);
  });

  test('leaves meters that it does not name, and other namespaces', async () => {
    await apply(calls + tokens);
    expect(await apply(calls)).toMatchObject({ unchanged: ['api_requests_total'] });
    expect(await stored()).toHaveLength(2);
    expect(await getMeter(sql, 'other', 'tokens_total')).toBeUndefined();
    expect(await apply('')).toEqual({ created: [], updated: [], unchanged: [] });
  });

  test('makes a deleted meter anew', async () => {
    await apply(calls);
    await deleteMeter(sql, 'default', (await stored())[0]!.id);
    expect(await apply(calls)).toMatchObject({ created: ['api_requests_total'] });
  });

  test('may stand under `meters:`, as in the configuration of OpenMeter', async () => {
    expect(await apply(`meters:\n${calls.replaceAll('\n', '\n  ')}`)).toMatchObject({
      created: ['api_requests_total'],
    });
  });

  test('is applied by eight gateways at once as by one', async () => {
    await Bun.write(path, calls + tokens);
    const all = await Promise.all(
      Array.from({ length: 8 }, () => applyMetersFile(path, sql, 'default', log)),
    );
    expect(all.flatMap(({ created }) => created).sort()).toEqual(['api_requests_total', 'tokens_total']);
    expect(all.flatMap(({ updated }) => updated)).toEqual([]);
    expect(await stored()).toHaveLength(2);
  });
});

describe('a wrong meters file changes nothing and', () => {
  test('has every issue reported with line and slug', async () => {
    const issues = await issuesOf(`${calls}- slug: Bad
  eventType: request
  aggregation: SUM
  groupBy:
    a-b: $.a
  colour: red
- 7
- slug: api_requests_total
  eventType: request
  aggregation: COUNT
`);
    expect(issues).toEqual([
      expect.stringMatching(/^14: Bad: colour is not a field/),
      expect.stringMatching(/^9: Bad: slug must consist of/),
      '9: Bad: valueProperty is required when the aggregation is SUM',
      expect.stringMatching(/^12: Bad: groupBy.a-b the name must consist/),
      '15: meter 3: expected a meter (a JSON object)',
      '16: api_requests_total: slug is declared in line 2 already',
    ]);
    expect(await stored()).toEqual([]);
  });

  test('can not change what is fixed', async () => {
    await apply(tokens);
    const issues = await issuesOf(
      calls +
        tokens
          .replace('SUM', 'MAX')
          .replace('prompt', 'answer')
          .replace('$.tokens', '$.count')
          .replace(/ +eventFrom.*\n/, ''),
    );
    expect(issues).toEqual([
      expect.stringMatching(
        /^12: tokens_total: eventType is answer here, but the stored meter has prompt; it can't be/,
      ),
      expect.stringMatching(/^13: tokens_total: aggregation is MAX here, but the stored meter has SUM/),
      expect.stringMatching(/^14: tokens_total: valueProperty is \$\.count here/),
      expect.stringMatching(
        /^10: tokens_total: eventFrom is not set here, but the stored meter has 2023-01-01T00:00:00Z/,
      ),
    ]);
    expect(await stored()).toHaveLength(1);
  });

  test.each([
    ['slug: a\nname: b', /^1: a list of meters is expected/],
    ['just text', /^1: a list of meters is expected/],
    ['- slug: [', /^\d: is not valid YAML/],
    ['- slug: a\n  slug: b', /^2: is not valid YAML: Map keys must be unique/],
    ['- *nobody', /^1: /],
  ])('is told what is wrong with %p', async (yaml, expected) => {
    expect((await issuesOf(yaml))[0]).toMatch(expected);
  });

  test('is named when it is not there', async () => {
    const missing = applyMetersFile(join(folder, 'nope.yaml'), sql, 'default', log);
    await expect(missing).rejects.toThrow(/METERS_FILE=.*nope\.yaml: there is no such file/);
  });

  test('can not expand its aliases without end', async () => {
    const bomb = [
      'a: &a [x, x]',
      ...'bcdefgh'.split('').map((c, i) => `${c}: &${c} [*${'abcdefg'[i]}, *${'abcdefg'[i]}]`),
    ];
    expect((await issuesOf(`- ${bomb.join('\n  ')}`))[0]).toMatch(/^1: .*alias/i);
  });
});

test('a meter that was made otherwise before is refused, every field named', async () => {
  const definition = {
    slug: 'tokens_total',
    name: 'x',
    description: undefined,
    metadata: undefined,
    eventFromUs: undefined,
  };
  await createMeter(sql, 'default', {
    ...definition,
    eventType: 'prompt',
    aggregation: 'COUNT',
    valueProperty: undefined,
    groupBy: {},
  });
  expect((await issuesOf(tokens)).length).toBe(3);
});
