import { expect, test } from 'bun:test';
import { MeterCreate, MeterUpdateBody } from '@usage/lib/meter/fields.ts';
import { issuesOf } from '@usage/lib/validation/issuesOf.ts';
import { Subject, SubjectUpserts, subjectExample, upsertExample } from '../subjects/model.ts';
import { createExample, Meter, meterExample, updateExample } from './model.ts';

test('the examples that Swagger shows are valid', () => {
  expect(issuesOf(MeterCreate, createExample)).toEqual([]);
  expect(issuesOf(MeterUpdateBody, updateExample)).toEqual([]);
  expect(issuesOf(Meter, meterExample)).toEqual([]);
  expect(issuesOf(SubjectUpserts, upsertExample)).toEqual([]);
  expect(issuesOf(Subject, subjectExample)).toEqual([]);
});
