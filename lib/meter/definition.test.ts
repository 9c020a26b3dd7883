import { describe, expect, test } from 'bun:test';
import type { Issue } from '../validation/issue.ts';
import { readMeterDefinition, readMeterUpdate } from './definition.ts';
import { groupByKeysMax, reservedGroupByNames } from './fields.ts';
import { aggregations } from './meter.ts';

const valid = { slug: 'tokens_total', eventType: 'prompt', aggregation: 'SUM', valueProperty: '$.tokens' };

/** Fields with issues, and the reasons joined. */
function issuesOf(input: unknown): { fields: string[]; reasons: string } {
  const read = readMeterDefinition(input);
  const issues: Issue[] = 'issues' in read ? read.issues : [];
  return { fields: issues.map(({ field }) => field), reasons: issues.map(({ reason }) => reason).join('; ') };
}

describe('a definition', () => {
  test('takes the fields of OpenMeter and fills in the defaults', () => {
    expect(readMeterDefinition(valid)).toEqual({
      value: {
        slug: 'tokens_total',
        name: 'tokens_total',
        description: undefined,
        metadata: undefined,
        eventType: 'prompt',
        eventFromUs: undefined,
        aggregation: 'SUM',
        valueProperty: '$.tokens',
        groupBy: {},
      },
    });
    const full = {
      ...valid,
      name: 'Tokens',
      description: 'AI tokens',
      eventFrom: '2023-01-01T01:01:01.001002+01:00',
      groupBy: { model: '$.model', Plan_2: "$.user['plan']", _first: '$.list[0]' },
      metadata: { owner: 'billing' },
    };
    expect(readMeterDefinition(full)).toEqual({
      value: { ...full, eventFrom: undefined, eventFromUs: 1_672_531_261_001_002 } as never,
    });
  });

  test('names every issue at once, by field', () => {
    const { fields } = issuesOf({
      slug: 'Not-A-Slug',
      name: '',
      description: 'x'.repeat(1_025),
      eventType: '',
      eventFrom: 'yesterday',
      aggregation: 'MEDIAN',
      valueProperty: 'tokens',
      groupBy: { '1st': '$.a', b: 'b' },
      metadata: { a: 1 },
      color: 'red',
      id: '01G65Z755AFWAKHE12NY0CQ9FH',
    });
    expect(fields.sort()).toEqual([
      'aggregation',
      'color',
      'description',
      'eventFrom',
      'eventType',
      'groupBy.1st',
      'groupBy.b',
      'id',
      'metadata.a',
      'name',
      'slug',
      'valueProperty',
    ]);
    expect(issuesOf({}).fields).toEqual(['slug', 'eventType', 'aggregation']);
  });

  test('is an object', () => {
    for (const input of [null, undefined, [], 'meter', 1, true]) expect(issuesOf(input).fields).toEqual(['']);
  });

  test.each([
    ['a', true],
    ['a_b_1', true],
    ['0', true],
    ['a'.repeat(64), true],
    ['a'.repeat(65), false],
    ['', false],
    ['_a', false],
    ['a_', false],
    ['a__b', false],
    ['a-b', false],
    ['A', false],
    ['a\n', false],
    [7, false],
    [null, false],
  ])('with the slug %p is taken: %p', (slug, taken) => {
    expect(issuesOf({ ...valid, slug }).fields).toEqual(taken ? [] : ['slug']);
  });

  test.each(aggregations.filter((aggregation) => aggregation !== 'COUNT'))(
    'with %s needs a value property',
    (aggregation) => {
      expect(issuesOf({ ...valid, aggregation }).fields).toEqual([]);
      expect(issuesOf({ ...valid, aggregation, valueProperty: undefined })).toEqual({
        fields: ['valueProperty'],
        reasons: `is required when the aggregation is ${aggregation}`,
      });
      expect(issuesOf({ ...valid, aggregation, valueProperty: '' }).fields).toEqual(['valueProperty']);
    },
  );

  test('has a time unit with levels alone', () => {
    const levels = { ...valid, aggregation: 'WEIGHTED_SUM' };
    expect(issuesOf({ ...levels, timeUnit: 'HOUR' }).fields).toEqual([]);
    expect(issuesOf({ ...levels, timeUnit: 'YEAR' }).fields).toEqual(['timeUnit']);
    expect(issuesOf({ ...valid, timeUnit: 'HOUR' })).toMatchObject({
      fields: ['timeUnit'],
      reasons: 'is only for the aggregations WEIGHTED_SUM and WEIGHTED_LATEST',
    });
  });

  test('with COUNT takes no value property', () => {
    expect(issuesOf({ ...valid, aggregation: 'COUNT' })).toEqual({
      fields: ['valueProperty'],
      reasons: 'is not allowed when the aggregation is COUNT',
    });
    expect(issuesOf({ slug: 'calls', eventType: 'request', aggregation: 'COUNT' }).fields).toEqual([]);
  });

  test.each(['sum', 'MEDIAN', '', null, 1])('has no aggregation %p', (aggregation) => {
    expect(issuesOf({ ...valid, aggregation }).fields).toContain('aggregation');
  });

  test('groups by paths that differ from the value property', () => {
    expect(issuesOf({ ...valid, groupBy: { tokens: '$.tokens' } })).toEqual({
      fields: ['groupBy.tokens'],
      reasons: 'must differ from valueProperty',
    });
  });

  test.each([...reservedGroupByNames, '__proto__'])('can not group by a key of its own named %s', (name) => {
    expect(issuesOf({ ...valid, groupBy: JSON.parse(`{"${name}":"$.a"}`) })).toEqual({
      fields: [`groupBy.${name}`],
      reasons: expect.stringContaining('reserved'),
    });
  });

  test('has a limited number of group-by names', () => {
    const names = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, `$.k${i}`]));
    expect(issuesOf({ ...valid, groupBy: names(groupByKeysMax) }).fields).toEqual([]);
    expect(issuesOf({ ...valid, groupBy: names(groupByKeysMax + 1) })).toEqual({
      fields: ['groupBy'],
      reasons: 'must not have more than 32 names',
    });
  });

  test.each(['$..tokens', '$.*', '$[*]', '$.a[?@.b]', '$[0:1]', '$.a,b', "$['a", 'tokens', '', 7, null])(
    'has no path that could lead to many values or none: %p',
    (path) => {
      expect(issuesOf({ ...valid, valueProperty: path }).fields).toEqual(['valueProperty']);
      expect(issuesOf({ ...valid, groupBy: { key: path } }).fields).toEqual(['groupBy.key']);
    },
  );

  test('has no text that PostgreSQL can not store', () => {
    for (const bad of ['a\0b', 'a\ud800b']) {
      const input = {
        ...valid,
        name: bad,
        description: bad,
        eventType: bad,
        metadata: { [bad]: 'x', a: bad },
        groupBy: { a: `$['${bad}']` },
      };
      expect(issuesOf(input).fields).toEqual([
        'name',
        'description',
        'eventType',
        'groupBy.a',
        'metadata',
        'metadata.a',
      ]);
    }
  });

  test('counts lengths in characters, not in UTF-16 units', () => {
    expect(issuesOf({ ...valid, name: '🦊'.repeat(256) }).fields).toEqual([]);
    expect(issuesOf({ ...valid, name: '🦊'.repeat(257) }).fields).toEqual(['name']);
  });

  test('may have null for metadata, and for nothing else', () => {
    expect(issuesOf({ ...valid, metadata: null }).fields).toEqual([]);
    expect(issuesOf({ ...valid, description: null, name: null, groupBy: null }).fields.sort()).toEqual([
      'description',
      'groupBy',
      'name',
    ]);
  });
});

describe('an update', () => {
  test('has no field that is fixed', () => {
    const read = readMeterUpdate({ name: 'x', slug: 'y', aggregation: 'MAX', id: '1', nope: 1 }, '$.tokens');
    expect(read).toEqual({
      issues: [
        { field: 'slug', reason: "can't be changed; make a new meter instead" },
        { field: 'aggregation', reason: "can't be changed; make a new meter instead" },
        { field: 'id', reason: 'is set by the system' },
        { field: 'nope', reason: expect.stringContaining('is not a field') },
      ],
    });
  });

  test('holds groupBy against the value property that stays', () => {
    expect(readMeterUpdate({ groupBy: { a: '$.tokens' } }, '$.tokens')).toHaveProperty('issues');
    expect(readMeterUpdate({ groupBy: { a: '$.model' } }, '$.tokens')).toHaveProperty('value');
  });
});
