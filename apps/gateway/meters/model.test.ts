import { expect, test } from 'bun:test';
import { CreateMeterBody, UpdateMeterBody, UpsertSubjectBody } from '@openmeter/sdk/zod';
import { FormatRegistry } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { parseTimeUs } from '@usage/lib/event/time.ts';
import { aggregations } from '@usage/lib/meter/meter.ts';
import { readMeterDefinition, readMeterUpdate } from '@usage/lib/meter/rules.ts';
import fc from 'fast-check';
import { SubjectUpsert, subjectExample, upsertExample } from '../subjects/model.ts';
import { readSubjects } from '../subjects/rules.ts';
import { createExample, Meter, MeterCreate, MeterUpdate, meterExample, updateExample } from './model.ts';

/** What the API takes is a subset of what Swagger shows, and of what OpenMeter's own schemas allow. */

FormatRegistry.Set('date-time', (text) => parseTimeUs(text) !== undefined);

const slug = fc.oneof(fc.stringMatching(/^[a-z0-9]+(_[a-z0-9]+)*$/), fc.string({ maxLength: 70 }));
const path = fc.oneof(fc.constantFrom('$', '$.a', '$.a.b', "$['x y']", '$..a', 'a'), fc.string());
const text = (around: number) =>
  fc.oneof(fc.string(), fc.string({ minLength: around - 1, maxLength: around + 1, unit: 'binary' }));
const time = fc.constantFrom('2023-01-01T01:01:01.001Z', '2023-01-01', '2023-13-01T00:00:00Z', '');
const names = fc.dictionary(fc.stringMatching(/^[a-z_]{1,3}$/), path, { maxKeys: 3 });
const odd = <T>(usual: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 20, arbitrary: usual }, { weight: 1, arbitrary: fc.jsonValue() });
const changeable = {
  name: odd(text(256)),
  description: odd(text(1_024)),
  groupBy: odd(names),
  metadata: odd(fc.option(fc.dictionary(fc.string(), fc.string(), { maxKeys: 3 }))),
};
const definition = fc.record(
  {
    slug: odd(slug),
    eventType: odd(fc.string({ minLength: 1 })),
    aggregation: odd(fc.constantFrom(...aggregations)),
    eventFrom: odd(time),
    valueProperty: odd(path),
    ...changeable,
  },
  { requiredKeys: ['slug', 'eventType', 'aggregation'] },
);
const update = fc.record(changeable, { requiredKeys: [] });
const subject = fc.record(
  {
    key: odd(fc.string()),
    displayName: odd(fc.option(fc.string())),
    metadata: odd(fc.option(fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 3 }))),
    currentPeriodStart: odd(time),
    currentPeriodEnd: odd(time),
    stripeCustomerId: odd(fc.option(fc.string().map((id) => `cus_${id}`))),
  },
  { requiredKeys: ['key'] },
);

test('every definition that is taken is valid by our schema and by that of OpenMeter', () => {
  let taken = 0;
  fc.assert(
    fc.property(definition, (input) => {
      if ('faults' in readMeterDefinition(input)) return;
      taken++;
      expect([...Value.Errors(MeterCreate, input)]).toEqual([]);
      expect(CreateMeterBody.safeParse(input).error).toBeUndefined();
    }),
    { numRuns: 2_000 },
  );
  expect(taken).toBeGreaterThan(20);
});

test('every update that is taken is valid by our schema and by that of OpenMeter', () => {
  let taken = 0;
  fc.assert(
    fc.property(update, (input) => {
      if ('faults' in readMeterUpdate(input, '$.tokens')) return;
      taken++;
      expect([...Value.Errors(MeterUpdate, input)]).toEqual([]);
      expect(UpdateMeterBody.safeParse(input).error).toBeUndefined();
    }),
    { numRuns: 1_000 },
  );
  expect(taken).toBeGreaterThan(20);
});

test('every subject that is taken is valid by our schema and by that of OpenMeter', () => {
  let taken = 0;
  fc.assert(
    fc.property(subject, (input) => {
      if ('faults' in readSubjects([input])) return;
      taken++;
      expect([...Value.Errors(SubjectUpsert, input)]).toEqual([]);
      expect(UpsertSubjectBody.safeParse([input]).error).toBeUndefined();
    }),
    { numRuns: 1_000 },
  );
  expect(taken).toBeGreaterThan(20);
});

test('the examples are valid', () => {
  expect(readMeterDefinition(createExample)).toHaveProperty('value');
  expect(readMeterUpdate(updateExample, createExample.valueProperty)).toHaveProperty('value');
  expect(readSubjects(upsertExample)).toHaveProperty('value');
  expect([...Value.Errors(Meter, meterExample)]).toEqual([]);
  expect(subjectExample.key).toBe(upsertExample[0]!.key);
});
