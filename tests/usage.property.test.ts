import { afterAll, beforeAll, expect, test } from 'bun:test';
import { getMeterToRead } from '@usage/db/meters/findMeters.ts';
import { DeltaCache } from '@usage/db/usage/deltaCache.ts';
import { readUsage } from '@usage/db/usage/readUsage.ts';
import { measuredValue } from '@usage/db/usage/value.ts';
import { closeStored } from '@usage/gateway/backfills/close.ts';
import { create as createBackfill, revert as revertBackfill } from '@usage/gateway/backfills/service.ts';
import { correct as correctEvents, undo as undoCorrection } from '@usage/gateway/corrections/service.ts';
import { formatDecimal } from '@usage/lib/decimal/decimal.ts';
import { endUs, formatTimeUs } from '@usage/lib/event/time.ts';
import { parseJson } from '@usage/lib/json/parse.ts';
import { isLevel } from '@usage/lib/meter/meter.ts';
import fc from 'fast-check';
import { Counter } from 'prom-client';
import { openQueryTest, type QueryTest } from './query/app.ts';
import { arrivals, type Scenario, scenarios } from './usage/arbitraries.ts';
import { Counted } from './usage/counted.ts';
import { levelOracle } from './usage/levels.ts';
import {
  isNear,
  type OracleEvent,
  type OracleQuery,
  type OracleRow,
  oracle,
  tripled,
} from './usage/oracle.ts';
import { overlaid, percentilesOfWindows, rollingWindows } from './usage/overlays.ts';

/** USAGE_RUNS=500 for a long look; USAGE_SEED to repeat one and shrink what it finds, which takes minutes. */
const runs = Number(process.env.USAGE_RUNS ?? 25);
const seed = process.env.USAGE_SEED === undefined ? Date.now() & 0x7fffffff : Number(process.env.USAGE_SEED);

/** The service's present. */
let nowMs = Date.now();
const actor = { namespace: 'default', name: 'operator', requestId: 'test' };
const metrics = {
  deltaCache: new Counter({
    name: 'delta_cache',
    help: 'of the test',
    labelNames: ['outcome'],
    registers: [],
  }),
  rawEvents: new Counter({ name: 'raw_events', help: 'of the test', labelNames: ['reason'], registers: [] }),
};
const runner = { deltas: new DeltaCache(10_000, metrics), metrics, deadlineMs: Number.POSITIVE_INFINITY };
let service: QueryTest;
let scenario = 0;

beforeAll(async () => {
  service = await openQueryTest(undefined, { deltaCellsMax: 500 }, () => nowMs);
}, 60_000);
afterAll(() => service.close());

test(`answers equal a brute-force sum at every stage of aggregation (seed ${seed}, ${runs} runs)`, async () => {
  let compared = 0;
  let rows = 0;
  let days = 0;
  const closeDays = async (nowMs: number) => {
    days += await service.pipeline.closeDays(nowMs);
  };
  await fc.assert(
    fc.asyncProperty(scenarios, async (given) => {
      const { slug, eventFromUs, counted: all, storeLate, correct, undo, backfill } = await store(given);
      const queries = given.queries.map((query) => overlaid(given.aggregation, query));
      const [early, late] = [given.corrections.slice(0, 3), given.corrections.slice(3)];
      const counted = () => all.events().flatMap((event) => countedAs(given, event));
      const answers = () => queries.map((query) => expectedOf(given, eventFromUs, counted(), query));
      let expected: OracleRow[][];
      const { pipeline } = service;
      const stages: [name: string, step: () => Promise<unknown>][] = [
        ['nothing aggregated, meter in backfill', async () => {}],
        ['events of an open backfill stored', () => backfill.store(0)],
        ['nothing', () => pipeline.backfill()],
        ['more of them stored', () => backfill.store(1)],
        ['corrected', () => correct(early)],
        ['nothing, half compacted', () => pipeline.compact(0.5)],
        ['half', () => pipeline.aggregate(0.5)],
        ['minutes made anew', () => pipeline.remake()],
        ['half, days closed', () => closeDays(given.closedAtMs[0]!)],
        ['all', () => pipeline.aggregate(1)],
        ['all, more days half closed', () => pipeline.closeSomeDays(given.closedAtMs[1]!)],
        ['backfill closed', () => backfill.close()],
        ['corrected again', () => correct(late)],
        ['late events waiting', () => storeLate()],
        ['late events compacted', () => pipeline.compact(1)],
        ['late events half aggregated', () => pipeline.aggregate(0.5)],
        ['more days half closed', () => pipeline.closeSomeDays(given.closedAtMs[1]!)],
        ['late events aggregated', () => pipeline.aggregate(1)],
        ['more days closed', () => closeDays(given.closedAtMs[1]!)],
        ['more minutes made anew', () => pipeline.remake()],
        ['backfill reverted', () => backfill.revert()],
        ['late events sent again', () => storeLate()],
        ['minutes of the backfill made anew', () => pipeline.remake()],
        ['corrections undone', () => undo()],
        ['all minutes made anew', () => pipeline.remake()],
      ];
      for (const [stage, step] of stages) {
        await step();
        expected = answers();
        await compareAmounts(slug, given);
        for (const [i, query] of queries.entries()) {
          expect({
            stage,
            query,
            rows: nearby(given, await answer(slug, query, given), expected[i]!),
          }).toEqual({
            stage,
            query,
            rows: expected[i]!,
          });
          compared++;
          rows += expected[i]!.length;
        }
      }
    }),
    { numRuns: runs, seed, endOnFailure: process.env.USAGE_SEED === undefined },
  );
  console.log(
    `usage property: seed ${seed}, ${runs} scenarios, ${compared} answers with ${rows} rows compared, ${days} days closed`,
  );
  expect(days).toBeGreaterThan(runs);
  expect(rows).toBeGreaterThan(runs);
}, 600_000);

/** Stores the batches with the meter made among them. */
async function store(given: Scenario) {
  const { aggregation, kind, batches, batchesBefore, eventFrom, late, timeUnit, backfill } = given;
  const n = scenario++;
  await service.sql`DELETE FROM batches`; // or every backfill would look through those of all scenarios
  const slug = `meter_${n}`;
  const eventFromUs = eventFrom ? batches[0]![0]!.timeUs : undefined;
  const counted = new Counted();
  const makeMeter = () =>
    service.meter({
      slug,
      eventType: `type_${n}`,
      eventFromUs,
      aggregation,
      valueProperty: aggregation === 'COUNT' || kind === 'expression' ? undefined : '$.v',
      valueExpression: aggregation !== 'COUNT' && kind === 'expression' ? '$.v * 3 - 0.25' : undefined,
      timeUnit: isLevel(aggregation) ? timeUnit : undefined,
      filters:
        kind === 'filtered' ? { '$.where.region': { $ne: 'us' }, subject: { $ne: 'zebra' } } : undefined,
      groupBy: { region: '$.where.region', model: '$.model' },
    });
  const storeBatch = async (batch: OracleEvent[], i: number) => {
    await service.pipeline.process(
      batch.map((event) => eventText(n, event)),
      arrivals.fromMs + i * 60_000,
    );
    counted.store(batch);
  };
  for (const [i, batch] of batches.entries()) {
    if (i === Math.min(batchesBefore, batches.length - 1)) await makeMeter();
    await storeBatch(batch, i);
  }
  const ids: string[] = [];
  const correctOne = async ({ of, kind: action, to }: Scenario['corrections'][number]) => {
    const id = counted.ids()[of % counted.ids().length]!;
    const amended = parseJson(eventText(n, to)) as { time: string; subject: string; data: unknown };
    const { time, subject, data } = amended;
    const { corrections } = await correctEvents(service.sql, actor, {
      ...{ action, reason: 'test', event: { source: `source_${n}`, id } },
      ...(action === 'amend' && { time, subject, data }),
    });
    ids.push(...corrections);
    counted.correct(id, action === 'void' ? undefined : { ...to, id });
  };
  return {
    slug,
    eventFromUs,
    counted,
    storeLate: () => storeBatch(late, batches.length),
    async correct(corrections: Scenario['corrections']) {
      for (const one of corrections) await correctOne(one);
    },
    async undo() {
      for (const id of ids) await undoCorrection(service.sql, actor, id);
      counted.undoCorrections();
    },
    backfill: ofBackfill(n, backfill, counted),
  };
}

function ofBackfill(n: number, { batches, replaces }: Scenario['backfill'], counted: Counted) {
  const id = `backfill-${n}`;
  return {
    async store(i: 0 | 1) {
      if (i === 0) await createBackfill(service.sql, actor, { id, reason: 'test', ...rangeOf(n, replaces) });
      await service.pipeline.process(
        batches[i].map((event) => eventText(n, event)),
        arrivals.fromMs + i * 60_000,
        id,
      );
      counted.storeInBackfill(batches[i]);
    },
    async close() {
      await closeStored(service.sql, actor, id, true);
      await closeStored(service.sql, actor, id, false);
      counted.close(replaces);
    },
    async revert() {
      await revertBackfill(service.sql, actor, id);
      counted.revert();
    },
  };
}

function rangeOf(n: number, replaces: Scenario['backfill']['replaces']) {
  if (!replaces) return {};
  const { subjects, fromUs, toUs } = replaces;
  const range = { from: formatTimeUs(fromUs), to: formatTimeUs(toUs) };
  return { replaces: { types: [`type_${n}`], ...(subjects && { subjects }), ...range } };
}

/** The event as the meter counts it, if it does. */
function countedAs({ kind, aggregation }: Scenario, event: OracleEvent): OracleEvent[] {
  if (kind === 'filtered') return event.region === 'us' || event.subject === 'zebra' ? [] : [event];
  return kind === 'expression' && aggregation !== 'COUNT' ? [{ ...event, v: tripled(event.v) }] : [event];
}

/** By hand, so that every digit of a number goes over. */
function eventText(n: number, { id, subject, timeUs, v, model, region }: OracleEvent): string {
  const members = [
    ...(v === undefined ? [] : [`"v":${v}`]),
    ...(model === undefined ? [] : [`"model":${JSON.stringify(model)}`]),
    ...(region === undefined ? [] : [`"where":{"region":${JSON.stringify(region)}}`]),
  ];
  const head = {
    specversion: '1.0',
    id,
    source: `source_${n}`,
    type: `type_${n}`,
    subject,
    time: formatTimeUs(timeUs),
  };
  return `${JSON.stringify(head).slice(0, -1)},"data":{${members.join(',')}}}`;
}

function expectedOf(
  { aggregation, timeUnit }: Scenario,
  eventFromUs: number | undefined,
  events: OracleEvent[],
  query: OracleQuery,
): OracleRow[] {
  const plain = (one: OracleQuery) =>
    aggregation === 'WEIGHTED_SUM' || aggregation === 'WEIGHTED_LATEST'
      ? levelOracle(eventFromUs, events, one, aggregation, timeUnit === 'HOUR' ? 3_600n : 1n)
      : oracle(aggregation, eventFromUs, events, one);
  const { percentileWindow, rolling } = query;
  const counted = { ...query, fromUs: query.fromUs && Math.max(query.fromUs, eventFromUs ?? 0) };
  if (percentileWindow) return percentilesOfWindows(plain, counted, percentileWindow);
  return rolling ? rollingWindows(plain, counted, rolling) : plain(query);
}

/** Percentiles may be off by 1 %: those that are within it count as what was expected. */
function nearby({ aggregation }: Scenario, rows: OracleRow[], expected: readonly OracleRow[]): OracleRow[] {
  if (aggregation !== 'PERCENTILE') return rows;
  return rows.map((row, i) => {
    const exact = expected[i]?.value;
    return exact !== undefined && isNear(row.value, exact) ? { ...row, value: exact } : row;
  });
}

async function answer(slug: string, query: OracleQuery, { aggregation }: Scenario): Promise<OracleRow[]> {
  nowMs = query.nowUs / 1_000;
  const body = {
    ...(query.fromUs !== undefined && { from: formatTimeUs(query.fromUs) }),
    ...(query.toUs !== undefined && { to: formatTimeUs(query.toUs) }),
    ...(query.window && { windowSize: query.window.size, windowTimeZone: query.window.zone }),
    ...(query.subjects && { subject: query.subjects }),
    groupBy: query.groupBy,
    ...(query.models && { filterGroupBy: { model: query.models } }),
    ...(query.modelLike && { advancedMeterGroupByFilters: { model: { $like: `${query.modelLike}%` } } }),
    ...(query.rolling && { rollingWindow: rollingText(query.rolling) }),
    ...(query.percentileWindow && { percentileWindow: query.percentileWindow }),
    ...((aggregation === 'PERCENTILE' || query.percentileWindow) &&
      query.percentile && { percentile: query.percentile }),
  };
  const response = await service.post(`/api/v1/meters/${slug}/query`, body);
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
  const { data } = (await response.json()) as { data: WireRow[] };
  return data.map(({ value, valueExact, windowStart, windowEnd, subject, groupBy }) => ({
    windowStartUs: microseconds(windowStart),
    windowEndUs: microseconds(windowEnd),
    subject,
    groupBy,
    value: valueExact ?? plain(value),
  }));
}

/** Checks of entitlements ask for nothing but amounts: these are the same as in whole answers. */
async function compareAmounts(slug: string, { aggregation, queries }: Scenario): Promise<void> {
  if (aggregation !== 'SUM' && aggregation !== 'COUNT') return;
  const bounds = queries.flatMap(({ fromUs, toUs }) => [fromUs, toUs]).filter((us) => us !== undefined);
  const cuts = [...new Set([Date.UTC(2025, 0) * 1_000, ...bounds, endUs])].sort((a, b) => a - b);
  const read = (of: readonly number[], amountsOnly: boolean) =>
    service.sql.begin('ISOLATION LEVEL REPEATABLE READ READ ONLY', async (tx) => {
      const found = (await getMeterToRead(tx, actor.namespace, slug))!;
      const all = {
        fromUs: undefined,
        toUs: undefined,
        windows: undefined,
        subjects: undefined,
        filters: new Map(),
      };
      const query = { ...all, groupBySubject: true, groupBy: ['region'], cuts: of, amountsOnly };
      const { totals } = await readUsage(tx, found, query, runner);
      return totals
        .map(
          (total) =>
            `${total.bucket} ${total.key.join(' ')} ${formatDecimal(measuredValue({ aggregation, timeUnit: undefined }, total))}`,
        )
        .sort();
    });
  for (const of of [cuts, [cuts[0]!, cuts.at(-1)!]])
    expect(await read(of, true)).toEqual(await read(of, false));
}

function rollingText(length: NonNullable<OracleQuery['rolling']>): string {
  return 'hours' in length ? `PT${length.hours}H` : `P${length.days}D`;
}

interface WireRow {
  value: number;
  valueExact?: string;
  windowStart: string;
  windowEnd: string;
  subject: string | null;
  groupBy: Record<string, string>;
}

function microseconds(text: string): number {
  const [fraction = '', digits = ''] = /\.(\d+)/.exec(text) ?? [];
  return Date.parse(text.replace(fraction, '')) * 1_000 + Number(digits.padEnd(6, '0'));
}

/** A double without exponent: 1e-7 is 0.0000001. */
function plain(value: number): string {
  const [mantissa = '', exponent] = String(value).split('e');
  if (exponent === undefined) return mantissa;
  const [whole = '', part = ''] = mantissa.replace('-', '').split('.');
  const point = whole.length + Number(exponent);
  const digits = (whole + part).padEnd(point, '0').padStart(1 - point + whole.length + part.length, '0');
  const at = point > 0 ? point : 1;
  const rest = digits.slice(at);
  return `${value < 0 ? '-' : ''}${digits.slice(0, at)}${rest && `.${rest}`}`;
}
