import { aggregations } from '@usage/lib/meter/meter.ts';
import { type WindowSize, windowSizes } from '@usage/lib/windows/windows.ts';
import fc from 'fast-check';
import type { OracleEvent, OracleQuery } from './oracle.ts';

const at = (text: string) => Date.parse(text) * 1_000;

/** Where something happens to some clock. */
const moments: [zone: string, us: number][] = [
  ['UTC', at('2025-03-01T00:00:00Z')],
  ['Asia/Kolkata', at('2025-03-31T18:30:00Z')],
  ['Asia/Kathmandu', at('2025-06-30T18:15:00Z')],
  ['America/Los_Angeles', at('2024-11-03T09:00:00Z')],
  ['America/Los_Angeles', at('2024-03-10T10:00:00Z')],
  ['Australia/Lord_Howe', at('2024-04-06T15:00:00Z')],
  ['Australia/Lord_Howe', at('2024-10-05T15:30:00Z')],
  ['America/Sao_Paulo', at('2018-11-04T03:00:00Z')],
  ['America/Havana', at('2024-11-03T05:00:00Z')],
  ['Pacific/Apia', at('2011-12-30T10:00:00Z')],
  ['Africa/Monrovia', at('1972-01-07T00:44:30Z')],
  ['Europe/Berlin', at('2199-10-27T01:00:00Z')],
];
export const arrivals = { fromMs: Date.parse('2025-03-05T00:00:00Z') };

const minuteUs = 60_000_000;
const subjects = ['acme', 'Ünïcode, "q"', 'zebra', '\u{1f600}', '\ufffd'];
const models = ['gpt-4o', 'gpt-4o-mini', 'claude', '=1+1', undefined];
const regions = ['eu', 'us', undefined];

/** Mostly near a moment, often in the same minute or at the very same time; to the microsecond. */
const times = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: -2 * minuteUs, max: 2 * minuteUs }) },
  { weight: 3, arbitrary: fc.integer({ min: -26 * 60, max: 26 * 60 }).map((minutes) => minutes * minuteUs) },
  {
    weight: 2,
    arbitrary: fc.integer({ min: -16 * 1440, max: 16 * 1440 }).map((minutes) => minutes * minuteUs + 123_456),
  },
  { weight: 2, arbitrary: fc.constantFrom(0, 1, -1, 29_999_999, 30_000_000, -minuteUs) },
);

const digits = fc
  .array(fc.integer({ min: 0, max: 9 }), { minLength: 18, maxLength: 40 })
  .map((list) => `9${list.join('')}`);
const tokens = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: -50, max: 2_000 }).map(String) },
  {
    weight: 3,
    arbitrary: fc.constantFrom('0.1', '0.2', '0.3', '-0.7', '1e-7', '2.5e3', '"0.10"', '"7"', '0', '-0'),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(digits, fc.boolean()).map(([text, point]) => (point ? `${text}.${text}` : text)),
  },
  { weight: 1, arbitrary: digits.map((text) => `"-${text}"`) },
  {
    weight: 2,
    arbitrary: fc.constantFrom('null', '"abc"', '"NaN"', '"Infinity"', 'true', '""', '{}', '[1]', undefined),
  },
);

export interface Scenario {
  aggregation: (typeof aggregations)[number];
  /** Takes every event's $.v, or only some events, or what an expression makes of it. */
  kind: 'plain' | 'filtered' | 'expression';
  /** How many batches are stored before the meter is made. */
  batchesBefore: number;
  eventFrom: boolean;
  batches: OracleEvent[][];
  /** Arrive when days are closed already. */
  late: OracleEvent[];
  /** Of stored events, each named by a number; for an amendment the event as it counts then, under its own id. */
  corrections: { of: number; kind: 'void' | 'amend'; to: OracleEvent }[];
  /** Events sent under a backfill, in two batches; what it replaces, of which subjects (undefined = all), in which range. */
  backfill: {
    batches: [OracleEvent[], OracleEvent[]];
    replaces: { fromUs: number; toUs: number; subjects: string[] | undefined } | undefined;
  };
  /** Instants at which days that are over are closed: before all batches are merged, and after. */
  closedAtMs: number[];
  /** Of WEIGHTED_SUM. */
  timeUnit: 'HOUR' | undefined;
  queries: OracleQuery[];
}

export const scenarios: fc.Arbitrary<Scenario> = fc.constantFrom(...moments).chain(([zone, moment]) => {
  const event = fc.record({
    // Few ids, so that some come twice, in one batch or two; most are there once.
    id: fc.oneof(
      { weight: 4, arbitrary: fc.uuid() },
      { weight: 1, arbitrary: fc.constantFrom('a', 'b', 'c', 'd') },
    ),
    subject: fc.constantFrom(...subjects),
    timeUs: times.map((us) => moment + us),
    v: tokens,
    model: fc.constantFrom(...models),
    region: fc.constantFrom(...regions),
  });
  const bound = fc.oneof(
    { weight: 1, arbitrary: fc.constant(undefined) },
    { weight: 4, arbitrary: times.map((us) => moment + us) },
  );
  const query = fc
    .record({
      fromUs: bound,
      toUs: bound,
      size: fc.constantFrom<WindowSize | undefined>(undefined, ...windowSizes),
      zone: fc.oneof(
        { weight: 2, arbitrary: fc.constant(zone) },
        { weight: 1, arbitrary: fc.constantFrom(...moments).map(([name]) => name) },
      ),
      subjects: fc.option(fc.uniqueArray(fc.constantFrom(...subjects), { minLength: 1, maxLength: 3 }), {
        nil: undefined,
        freq: 2,
      }),
      groupBy: fc.uniqueArray(fc.constantFrom('subject' as const, 'model' as const, 'region' as const), {
        maxLength: 3,
      }),
      filter: fc.constantFrom(undefined, undefined, 'in', 'like'),
      percentile: fc.constantFrom(undefined, 0.1, 50, 75, 95, 99.9, 100),
      overlay: fc.constantFrom(undefined, undefined, 'percentile' as const, 'rolling' as const),
      inner: fc.constantFrom<WindowSize>('MINUTE', 'PT5M', 'PT30M', 'HOUR'),
      rolling: fc.constantFrom<OracleQuery['rolling']>(
        { hours: 1 },
        { hours: 24 },
        { days: 1 },
        { days: 30 },
      ),
      // The present lies before, among and after the events.
      nowAfterMs: fc.constantFrom(-86_400_000, 0, 7_200_123, 2 * 86_400_000, 20 * 86_400_000),
    })
    .map(({ fromUs, toUs, size, zone, filter, overlay, inner, rolling, nowAfterMs, ...rest }) => {
      const ordered =
        fromUs !== undefined && toUs !== undefined && fromUs >= toUs ? [toUs, fromUs + 1] : [fromUs, toUs];
      return {
        fromUs: ordered[0],
        toUs: ordered[1],
        window: size && { size, zone },
        ...rest,
        models: filter === 'in' ? ['gpt-4o', 'claude', ''] : undefined,
        modelLike: filter === 'like' ? 'gpt-4o' : undefined,
        percentileWindow: overlay === 'percentile' ? inner : undefined,
        rolling: overlay === 'rolling' ? rolling : undefined,
        nowUs: moment + nowAfterMs * 1_000,
      };
    });
  return fc.record({
    aggregation: fc.constantFrom(...aggregations),
    kind: fc.constantFrom<Scenario['kind']>('plain', 'plain', 'filtered', 'expression'),
    timeUnit: fc.constantFrom('HOUR' as const, undefined),
    batchesBefore: fc.integer({ min: 0, max: 2 }),
    eventFrom: fc.boolean(),
    batches: fc.array(fc.array(event, { minLength: 1, maxLength: 25 }), { minLength: 1, maxLength: 5 }),
    late: fc.array(event, { minLength: 1, maxLength: 10 }),
    corrections: fc.array(
      fc.record({ of: fc.nat(), kind: fc.constantFrom('void' as const, 'amend' as const), to: event }),
      { minLength: 1, maxLength: 8 },
    ),
    backfill: fc.record({
      batches: fc.tuple(
        fc.array(event, { minLength: 1, maxLength: 15 }),
        fc.array(event, { minLength: 1, maxLength: 5 }),
      ),
      replaces: fc.option(
        fc
          .record({
            bounds: fc.uniqueArray(times, { minLength: 2, maxLength: 2 }),
            subjects: fc.option(fc.uniqueArray(fc.constantFrom(...subjects), { minLength: 1 }), {
              nil: undefined,
            }),
          })
          .map(({ bounds, subjects }) => ({
            fromUs: moment + Math.min(...bounds),
            toUs: moment + Math.max(...bounds),
            subjects,
          })),
        { nil: undefined, freq: 4 },
      ),
    }),
    closedAtMs: fc.array(
      fc
        .oneof(fc.integer({ min: -2, max: 3 }), fc.integer({ min: -16, max: 40 }))
        .map((days) => (moment + days * 1440 * minuteUs) / 1_000),
      { minLength: 2, maxLength: 2 },
    ),
    queries: fc.array(query, { minLength: 6, maxLength: 6 }),
  });
});
