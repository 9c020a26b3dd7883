import { expect, test } from 'bun:test';
import { MeterCreate, MeterUpdateBody } from '@usage/lib/meter/fields.ts';
import { faultsOf } from '@usage/lib/validation/faultsOf.ts';
import { Subject, SubjectUpserts, subjectExample, upsertExample } from '../subjects/model.ts';
import { createExample, Meter, meterExample, updateExample } from './model.ts';

test('the examples that Swagger shows are valid', () => {
  expect(faultsOf(MeterCreate, createExample)).toEqual([]);
  expect(faultsOf(MeterUpdateBody, updateExample)).toEqual([]);
  expect(faultsOf(Meter, meterExample)).toEqual([]);
  expect(faultsOf(SubjectUpserts, upsertExample)).toEqual([]);
  expect(faultsOf(Subject, subjectExample)).toEqual([]);
});
