import { expect, test } from 'bun:test';
import { FormatRegistry } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { parseTimeUs } from '@usage/lib/event/time.ts';
import { aggregations } from '@usage/lib/meter/meter.ts';
import { readMeterDefinition, readMeterUpdate } from '@usage/lib/meter/rules.ts';
import fc from 'fast-check';
import { SubjectUpsert, subjectExample, upsertExample } from '../subjects/model.ts';
import { readSubjects } from '../subjects/rules.ts';
import { createExample, Meter, MeterCreate, MeterUpdate, meterExample, updateExample } from './model.ts';

/** Bodies are checked by hand (lib/meter/rules.ts), so that every fault is named: the schemas must not say less. */

FormatRegistry.Set('date-time', (text) => parseTimeUs(text) !== undefined);

/** Nearly always something usual, so that many inputs are taken as a whole. */
const mostly = <T>(usual: fc.Arbitrary<T>, unusual: fc.Arbitrary<unknown> = fc.jsonValue()) =>
  fc.oneof({ weight: 30, arbitrary: usual }, { weight: 1, arbitrary: unusual });
const slug = mostly(fc.stringMatching(/^[a-z0-9]{1,9}(_[a-z0-9]{1,9}){0,5}$/), fc.string({ maxLength: 70 }));
const path = (usual: string) => mostly(fc.constant(usual), fc.string());
// ASCII near the limits: TypeBox counts UTF-16 units where JSON Schema and we count characters.
const text = (around: number) =>
  mostly(
    fc.string({ minLength: 1 }),
    fc.integer({ min: around - 1, max: around + 1 }).map((length) => 'x'.repeat(length)),
  );
const time = mostly(
  fc.constant('2023-01-01T01:01:01.001Z'),
  fc.constantFrom('2023-01-01', '2023-13-01T00:00:00Z', ''),
);
const names = fc.dictionary(fc.stringMatching(/^[a-z_]{1,3}$/), path('$.a'), { maxKeys: 3 });
const changeable = {
  name: mostly(text(256)),
  description: mostly(text(1_024)),
  groupBy: mostly(names),
  metadata: mostly(fc.option(fc.dictionary(fc.string(), fc.string(), { maxKeys: 3 }))),
};
const definition = fc.record(
  {
    slug: mostly(slug),
    eventType: mostly(fc.string({ minLength: 1 })),
    aggregation: mostly(fc.constantFrom(...aggregations)),
    eventFrom: mostly(time),
    valueProperty: path('$.b'),
    ...changeable,
  },
  { requiredKeys: ['slug', 'eventType', 'aggregation'] },
);
const update = fc.record(changeable, { requiredKeys: [] });
const subject = fc.record(
  {
    key: mostly(fc.string()),
    displayName: mostly(fc.option(fc.string())),
    metadata: mostly(fc.option(fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 3 }))),
    currentPeriodStart: mostly(time),
    currentPeriodEnd: mostly(time),
    stripeCustomerId: mostly(fc.option(fc.string().map((id) => `cus_${id}`))),
  },
  { requiredKeys: ['key'] },
);

test('every definition that is taken fits the schema that Swagger shows', () => {
  let taken = 0;
  fc.assert(
    fc.property(definition, (input) => {
      if ('faults' in readMeterDefinition(input)) return;
      taken++;
      expect([...Value.Errors(MeterCreate, input)]).toEqual([]);
    }),
    { numRuns: 2_000 },
  );
  expect(taken).toBeGreaterThan(100);
});

test('every update that is taken fits the schema that Swagger shows', () => {
  let taken = 0;
  fc.assert(
    fc.property(update, (input) => {
      if ('faults' in readMeterUpdate(input, '$.tokens')) return;
      taken++;
      expect([...Value.Errors(MeterUpdate, input)]).toEqual([]);
    }),
    { numRuns: 1_000 },
  );
  expect(taken).toBeGreaterThan(100);
});

test('every subject that is taken fits the schema that Swagger shows', () => {
  let taken = 0;
  fc.assert(
    fc.property(subject, (input) => {
      if ('faults' in readSubjects([input])) return;
      taken++;
      expect([...Value.Errors(SubjectUpsert, input)]).toEqual([]);
    }),
    { numRuns: 1_000 },
  );
  expect(taken).toBeGreaterThan(100);
});

test('the examples are valid', () => {
  expect(readMeterDefinition(createExample)).toHaveProperty('value');
  expect(readMeterUpdate(updateExample, createExample.valueProperty)).toHaveProperty('value');
  expect(readSubjects(upsertExample)).toHaveProperty('value');
  expect([...Value.Errors(Meter, meterExample)]).toEqual([]);
  expect(subjectExample.key).toBe(upsertExample[0]!.key);
});
