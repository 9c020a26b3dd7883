import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { attributeBytesMax, issuesOf } from './event.ts';

const event = { specversion: '1.0', id: '1', source: 's', type: 't', subject: 'c' };
const fieldsOf = (value: unknown) => issuesOf(value).map((issue) => issue.field);
const nested = (levels: number): object => (levels === 1 ? {} : { a: nested(levels - 1) });

describe('valid', () => {
  test.each([
    ['the least', {}],
    [
      'null for everything optional',
      { time: null, data: null, datacontenttype: null, dataschema: null, trace: null },
    ],
    ['data', { data: { tokens: 1, nested: { list: [1] }, '': null, __proto__x: 1 } }],
    ['data nested 64 deep', { data: nested(64) }],
    ['JSON with parameters', { datacontenttype: 'application/json; charset=utf-8' }],
    ['+json', { datacontenttype: 'application/vnd.usage.v1+json' }],
    ['scalar extensions', { traceparent: 'x', count: 1, ok: false, empty: '' }],
    ['an attribute of just so many bytes', { id: 'é'.repeat(attributeBytesMax / 2) }],
    ['an emoji', { subject: '🧾' }],
  ])('%s', (_, fields) => {
    expect(issuesOf({ ...event, ...fields })).toEqual([]);
  });

  test('nothing is allocated for it', () => {
    expect(issuesOf(event)).toBe(issuesOf({ ...event, time: '2026-11-22T10:00:00Z', data: { a: 1 } }));
  });

  test('any event made of storable text', () => {
    const name = fc
      .string({ unit: 'binary', minLength: 1, maxLength: 200 })
      .filter((text) => !text.includes('\0'));
    const events = fc.record(
      {
        specversion: fc.constant('1.0'),
        id: name,
        source: name,
        type: name,
        subject: name,
        time: fc
          .date({ min: new Date(0), max: new Date(Date.UTC(2199, 0)), noInvalidDate: true })
          .map((d) => d.toISOString()),
        data: fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 10 })),
        ext1: fc.oneof(name, fc.integer(), fc.boolean()),
      },
      { requiredKeys: ['specversion', 'id', 'source', 'type', 'subject'] },
    );
    fc.assert(fc.property(events, (value) => issuesOf(value).length === 0));
  });
});

describe('not valid', () => {
  test.each([
    ['nothing', undefined],
    ['null', null],
    ['a string', 'event'],
    ['an array', [event]],
  ])('%s instead of an event', (_, value) => {
    expect(fieldsOf(value)).toEqual(['']);
  });

  test('every attribute at once', () => {
    const wrong = {
      specversion: '0.3',
      id: '',
      source: 1,
      type: null,
      time: 'today',
      data: [],
      datacontenttype: 'text/xml',
    };
    expect(fieldsOf({ ...wrong, dataschema: 1, 'Bad-Name': 1, data_base64: 'AA==', object: {} })).toEqual([
      'specversion',
      'id',
      'source',
      'type',
      'subject',
      'time',
      'data',
      'datacontenttype',
      'dataschema',
      'Bad-Name',
      'data_base64',
      'object',
    ]);
  });

  test.each([
    ['id', 'a\0b'],
    ['subject', 'a\ud800b'],
    ['source', '\udc00'],
    ['type', 'x'.repeat(attributeBytesMax + 1)],
    ['id', '🧾'.repeat(attributeBytesMax / 4 + 1)],
    ['time', 1_795_341_600],
    ['time', '2026-11-22 10:00:00Z'],
    ['data', 'text'],
    ['data', 1],
    ['data', false],
    ['data', nested(65)],
    ['datacontenttype', 'application/jsonp'],
    ['datacontenttype', ''],
    ['dataschema', ''],
    ['trace', 'a\0b'],
    ['trace', []],
    ['x'.repeat(65).slice(0, 63).concat('…'), undefined],
  ])('%s', (field, value) => {
    const name = field.endsWith('…') ? 'x'.repeat(65) : field;
    expect(fieldsOf({ ...event, [name]: value })).toEqual([field]);
  });

  test('a __proto__ attribute in the text', () => {
    expect(
      fieldsOf(
        JSON.parse('{"specversion":"1.0","id":"1","source":"s","type":"t","subject":"c","__proto__":1}'),
      ),
    ).toEqual(['__proto__']);
  });

  test('too many extensions are one issue', () => {
    const many = Object.fromEntries(Array.from({ length: 1_000 }, (_, n) => [`x${n}`, n]));
    expect(fieldsOf({ ...event, ...many })).toEqual(['']);
  });

  test('the short way and the list of issues agree on any JSON', () => {
    const anything = fc.dictionary(
      fc.constantFrom(
        'specversion',
        'id',
        'source',
        'type',
        'subject',
        'time',
        'data',
        'datacontenttype',
        'dataschema',
        'x',
      ),
      fc.oneof(fc.constantFrom('1.0', '', 'a\0', '2026-11-22T10:00:00Z', 'application/json'), fc.jsonValue()),
    );
    fc.assert(
      fc.property(anything, (fields) => {
        const issues = issuesOf({ ...event, ...fields });
        return issues.length > 0 || Object.isFrozen(issues);
      }),
    );
  });
});
