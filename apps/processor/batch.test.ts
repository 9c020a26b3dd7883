import { describe, expect, test } from 'bun:test';
import { parseTimeUs } from '@usage/lib/event/time.ts';
import { encodeFrame } from '@usage/lib/frame/encode.ts';
import { parseJson } from '@usage/lib/json/parse.ts';
import { compileMeter } from '@usage/lib/meter/evaluate.ts';
import type { Meter } from '@usage/lib/meter/meter.ts';
import { streamEntry } from '@usage/tests/support/frames.ts';
import fc from 'fast-check';
import { Batch, contentOf, keyOf } from './batch.ts';
import { inOrderOfKeys } from './keyOrder.ts';
import { MemberPicker } from './reading/members.ts';
import { Texts } from './reading/texts.ts';

const noAttributes = { id: '', source: '', subject: '', attributes: null };
const arrivedMs = Date.UTC(2026, 10, 25, 12);

function batchOf(events: string, namespace = 'default'): Batch {
  const batch = new Batch();
  const frame = encodeFrame([{ namespace, receivedMs: arrivedMs, events, count: 1 }]);
  batch.add(streamEntry(`${arrivedMs}-0`, frame, 1));
  return batch;
}

/** JSON text of a value as a client may write it: with space, escapes where none are needed, members twice. */
function written(value: unknown, choose: () => number): string {
  const space = () => ['', '', '', ' ', '\n', '\t ', '\r\n'][choose() % 7]!;
  if (typeof value === 'string') {
    const plain = JSON.stringify(value);
    if (choose() % 3 > 0) return plain;
    const units = Array.from({ length: value.length }, (_, i) => value.charCodeAt(i));
    return `"${units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('')}"`;
  }
  if (Array.isArray(value))
    return `[${space()}${value.map((item) => written(item, choose)).join(`${space()},${space()}`)}${space()}]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).flatMap(([name, member]) => {
      const text = `${written(name, choose)}${space()}:${space()}${written(member, choose)}`;
      return choose() % 9 === 0
        ? [`${written(name, choose)}:${written({ earlier: 1 }, choose)}`, text]
        : [text];
    });
    return `{${space()}${members.join(`${space()},${space()}`)}${space()}}`;
  }
  return JSON.stringify(value);
}

const text = fc.oneof(
  fc.string({ minLength: 1, maxLength: 20 }),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }),
  fc.constantFrom('"', '\\', '\\"', '{', '}]', 'customer-00001', 'ü', '😀', 'a'.repeat(70)),
);
const data = fc.dictionary(
  fc.oneof(fc.constantFrom('model', 'tokens', 'nested', 'a b', '__proto__', 'constructor'), text),
  fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.integer(), text),
  { maxKeys: 6, noNullPrototype: true },
);
const event = fc.record(
  {
    specversion: fc.constant('1.0'),
    id: text,
    source: text,
    type: text,
    subject: text,
    time: fc.constantFrom('2026-11-22T10:00:00.123Z', '2026-11-22T10:00:00+01:00', null),
    data: fc.oneof(data, fc.constant(null)),
    dataschema: text,
    traceparent: fc.oneof(text, fc.integer(), fc.boolean(), fc.constant(null)),
  },
  { requiredKeys: ['specversion', 'id', 'source', 'type', 'subject'], noNullPrototype: true },
);
const choices = fc.infiniteStream(fc.nat(1_000));

describe('events read as bytes are what JSON.parse makes of them', () => {
  test('columns, data and attributes', () => {
    fc.assert(
      fc.property(
        fc.array(event, { minLength: 1, maxLength: 5 }),
        text,
        choices,
        (events, namespace, stream) => {
          const choose = () => stream.next().value as number;
          const json = written(events, choose);
          const batch = batchOf(json, namespace);
          expect(batch.rejected).toEqual([]);
          const expected = (JSON.parse(json) as Record<string, unknown>[]).map((one) => {
            const { specversion: _, id, source, type, subject, time, data: itsData, ...more } = one;
            const attributes = Object.fromEntries(Object.entries(more).filter(([, value]) => value !== null));
            return {
              ...{ namespace, id, source, type, subject },
              timeUs: typeof time === 'string' ? parseTimeUs(time) : arrivedMs * 1_000,
              data: itsData ?? undefined,
              attributes: Object.keys(attributes).length > 0 ? attributes : undefined,
            };
          });
          const rows = batch.rows.map((row) => {
            const { data: itsData, attributes, ...content } = contentOf(row);
            return {
              ...content,
              timeUs: row.timeUs,
              data: itsData === undefined ? undefined : JSON.parse(itsData),
              attributes: attributes === undefined ? undefined : JSON.parse(attributes),
            };
          });
          expect(rows as unknown[]).toEqual(expected);
        },
      ),
      { numRuns: 500 },
    );
  });

  test('what meters measure', () => {
    const paths = [
      '$.model',
      '$.tokens',
      '$.nested.a',
      "$['a b']",
      '$.__proto__',
      '$.constructor',
      '$.list[0]',
      '$',
    ];
    const meter = fc.record({
      aggregation: fc.constantFrom('SUM', 'COUNT', 'UNIQUE_COUNT') as fc.Arbitrary<Meter['aggregation']>,
      valueProperty: fc.constantFrom(...paths),
      groupBy: fc.dictionary(fc.constantFrom('one', 'two'), fc.constantFrom(...paths), {
        noNullPrototype: true,
      }),
    });
    const texts = new Texts();
    fc.assert(
      fc.property(fc.array(meter, { minLength: 1, maxLength: 3 }), data, choices, (meters, value, stream) => {
        const compiled = meters.map((one) => compileMeter(one as Meter));
        const json = written(value, () => stream.next().value as number);
        const bytes = Buffer.from(`  ${json}  `);
        const picker = new MemberPicker(compiled.map(({ members }) => members));
        const picked = picker.pick(bytes, 2, bytes.length - 2, texts);
        const whole = parseJson(json);
        expect(compiled.map((one) => one.measure(picked, noAttributes))).toEqual(
          compiled.map((one) => one.measure(whole, noAttributes)),
        );
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('frames that no gateway wrote', () => {
  const good = { specversion: '1.0', id: 'a', source: 's', type: 't', subject: 'x' };
  const frameOf = (json: string) => Buffer.concat([Uint8Array.of(1), Buffer.from(json)]);
  const part = (events: string) => `[{"namespace":"default","receivedMs":1,"events":${events}}]`;

  test.each([
    ['no version', Buffer.alloc(0)],
    ['an unknown version', Buffer.from('\u0009{}')],
    ['zstd that is none', Buffer.from('\u0002abc')],
    ['no array', frameOf('{}')],
    ['no events', frameOf('[{"namespace":"default","receivedMs":1}]')],
    ['events before their namespace', frameOf(`[{"events":[],"namespace":"default","receivedMs":1}]`)],
    ['cut off', frameOf(part(`[${JSON.stringify(good)},{"id":"b"`))],
    ['no colon', frameOf(part('[{"id" "b"}]'))],
    ['a text without end', frameOf(part('[{"id":"b'))],
    ['events of another kind', frameOf(part('"b"'))],
  ])('%s: a dead letter, and nothing of it among the rows', (_, frame) => {
    const batch = batchOf(JSON.stringify(good));
    batch.add(streamEntry(`${arrivedMs}-1`, frame, 1));
    expect(batch.rejected).toMatchObject([{ kind: 'frame', payload: frame }]);
    expect(batch.rejected[0]!.reason).toContain("can't be decoded");
    expect(batch.rows.map((row) => contentOf(row).id)).toEqual(['a']);
  });

  test.each([
    ['no id', { ...good, id: undefined }],
    ['an empty subject', { ...good, subject: '' }],
    ['a number as type', { ...good, type: 7 }],
    ['a time that is none', { ...good, time: 'yesterday' }],
    ['a number as time', { ...good, time: 1 }],
    ['no object', 'event'],
  ])('an event with %s: a dead letter with its JSON, the others are rows', (_, event) => {
    const batch = batchOf(JSON.stringify([good, event, { ...good, id: 'b' }]));
    expect(batch.rejected).toMatchObject([{ kind: 'event', namespace: 'default', position: 1 }]);
    expect(JSON.parse(Buffer.from(batch.rejected[0]!.payload).toString())).toEqual(
      JSON.parse(JSON.stringify(event)),
    );
    expect(batch.rows.map((row) => [contentOf(row).id, row.position])).toEqual([
      ['a', 0],
      ['b', 2],
    ]);
  });
});

test.each([-1, 1e300, Date.UTC(2200, 0, 1)])(
  'an arrival at %p: its events without a time are dead letters',
  (receivedMs) => {
    const batch = new Batch();
    const events = JSON.stringify({ specversion: '1.0', id: 'a', source: 's', type: 't', subject: 'x' });
    const frame = encodeFrame([{ namespace: 'default', receivedMs, events, count: 1 }]);
    batch.add(streamEntry(`${arrivedMs}-0`, frame, 1));
    expect([batch.rows.length, batch.rejected.length]).toEqual([0, 1]);
  },
);

test('a batch that is filled again holds nothing of its former filling', () => {
  const one = (id: string) =>
    JSON.stringify({ specversion: '1.0', id, source: 's', type: 't', subject: 'x', note: id });
  const batch = batchOf(`[${one('first')},${one('second')}]`);
  batch.clear();
  expect([batch.empty, batch.bytes, batch.rows.length]).toEqual([true, 0, 0]);
  const frame = encodeFrame([
    { namespace: 'default', receivedMs: arrivedMs, events: one('third'), count: 1 },
  ]);
  batch.add(streamEntry(`${arrivedMs}-2`, frame, 1));
  expect(batch.rows.map(contentOf)).toMatchObject([{ id: 'third', attributes: '{"note":"third"}' }]);
});

test('rows come in the order of their keys, of equal ones the first first', () => {
  const times = fc.constantFrom(arrivedMs, arrivedMs + 1, arrivedMs - 86_400_000);
  const ids = fc.array(
    fc.oneof(
      times.map((ms) => Bun.randomUUIDv7('hex', ms)),
      fc.constantFrom('a', 'b', 'c'),
    ),
    { maxLength: 200 },
  );
  fc.assert(
    fc.property(ids, (given) => {
      const events = given.map((id) =>
        JSON.stringify({ specversion: '1.0', id, source: 's', type: 't', subject: 'x' }),
      );
      const { rows } = batchOf(`[${events.join(',')}]`);
      const expected = rows
        .map((row) => ({ key: keyOf(row), position: row.position }))
        .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.position - b.position));
      const found = inOrderOfKeys(rows).map((row) => ({ key: keyOf(row), position: row.position }));
      expect(found).toEqual(expected);
    }),
  );
});
