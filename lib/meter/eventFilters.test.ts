import { expect, test } from 'bun:test';
import { compileEventFilter, compileEventFilters } from './eventFilters.ts';

const event = { id: 'e-1', source: 'eu-west', subject: 'acme', attributes: '{"tenantid":"7","retry":2}' };
const takes = (filters: Record<string, unknown>, data: unknown) =>
  compileEventFilters(filters).takes(data, event);

test('every filter must pass, of data and of attributes', () => {
  expect(takes({ '$.status': { $eq: 'ok' } }, { status: 'ok' })).toBe(true);
  expect(takes({ '$.status': { $eq: 'ok' } }, { status: 'failed' })).toBe(false);
  expect(takes({ '$.status': { $eq: 'ok' }, source: { $like: 'us-%' } }, { status: 'ok' })).toBe(false);
  expect(takes({ source: { $like: 'eu-%' }, subject: { $in: ['acme'] }, tenantid: { $eq: '7' } }, null)).toBe(
    true,
  );
  expect(takes({ retry: { $eq: '2' }, id: { $ne: 'e-2' } }, undefined)).toBe(true);
});

test('what an event lacks is the empty text, numbers and booleans are their texts', () => {
  expect(takes({ '$.a.b': { $eq: '' }, unknownattribute: { $eq: '' } }, {})).toBe(true);
  expect(takes({ '$.n': { $eq: '1.5' }, '$.yes': { $eq: 'true' } }, { n: 1.5, yes: true })).toBe(true);
});

test('says which members and whether attributes are read', () => {
  expect(compileEventFilters({ '$.a.b': { $eq: '' } })).toMatchObject({
    members: ['a'],
    readsAttributes: false,
  });
  expect(compileEventFilters({ source: { $eq: '' } })).toMatchObject({ members: [], readsAttributes: true });
});

test('what can only be a mistake is refused', () => {
  for (const [name, filter, message] of [
    ['type', { $eq: 'a' }, /can't be filtered by/],
    ['data', { $eq: 'a' }, /JSONPath/],
    ['Status', { $eq: 'a' }, /neither a JSONPath/],
    ['$.list[*]', { $eq: 'a' }, /not understood at character/],
    ['$.a', {}, /empty filter/],
    ['$.a', { $equals: 'a' }, /unknown operator/],
    ['$.a', 'a', /expected an object/],
  ] as const)
    expect(() => compileEventFilter(name, filter)).toThrow(message);
});
