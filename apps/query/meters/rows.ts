import type { StoredMeter } from '@usage/db/meters/meterRow.ts';
import type { Total } from '@usage/db/usage/accumulator.ts';
import type { UsageQuery } from '@usage/db/usage/context.ts';
import type { UsageTotals } from '@usage/db/usage/readUsage.ts';
import { addedAs } from '@usage/db/usage/value.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import { keptValues } from '@usage/lib/meter/meter.ts';
import { rollingStart } from '@usage/lib/windows/rolling.ts';
import { windowBoundaries } from '@usage/lib/windows/windows.ts';
import { type AnswerRow, toRows } from './answer.ts';
import type { QueryRequest } from './request.ts';
import { cutsOf, type RollingWindows, rollingTotals } from './rolling.ts';
import { percentilesOfWindows } from './windowPercentiles.ts';

/** What rows are made from. */
export interface RowsContext {
  meter: StoredMeter;
  request: QueryRequest;
  /** The present, in µs since 1970. */
  nowUs: number;
  /** Reads usage on the query's snapshot. */
  read(query: UsageQuery): Promise<UsageTotals>;
}

const rollingWindowsMax = 5_000;
/** Distinct values of windows that overlap are counted window by window. */
const rollingReadsMax = 400;

/** The rows of a query in their order. Problems: 400 for too many windows or rows. */
export async function rowsOf(context: RowsContext, query: UsageQuery): Promise<AnswerRow[]> {
  const { meter, request, read } = context;
  if (request.percentileWindow) return await nestedRows(context, query);
  if (request.rollingWindow) return await rollingRows(context, query);
  return toRows(meter, query, await read(query), request);
}

/** From the query's beginning, which it has, to its end or the present. */
function rangeOf({ meter, request, nowUs }: RowsContext, { fromUs, toUs }: UsageQuery) {
  return {
    fromUs: Math.max(fromUs!, meter.eventFromUs ?? fromUs!),
    toUs: Math.min(toUs ?? Number.POSITIVE_INFINITY, request.asOfUs ?? nowUs),
  };
}

/** Percentiles of what windows within windows came to. */
async function nestedRows(context: RowsContext, query: UsageQuery): Promise<AnswerRow[]> {
  const { meter, request, read } = context;
  const range = rangeOf(context, query);
  if (range.fromUs >= range.toUs) return [];
  const windows = { size: request.percentileWindow!, zone: request.windowTimeZone };
  const outer = query.windows ? windowBoundaries({ ...range, ...query.windows }) : [range.fromUs, range.toUs];
  const inner = windowBoundaries({ ...range, ...windows });
  const within = [...inner, ...outer].filter((us) => us > range.fromUs && us < range.toUs);
  const cuts = [...new Set([range.fromUs, ...within, range.toUs])].sort((a, b) => a - b);
  const { totals: windowTotals } = await read({ ...query, windows: undefined, cuts });
  const nested = { inner: cuts, outer, percentile: request.percentile! };
  const totals = percentilesOfWindows(meter, windowTotals, nested);
  // A percentile is what it is: it isn't worked out from the meter's cells once more.
  return toRows({ ...meter, aggregation: 'SUM' }, query, { boundaries: outer, totals });
}

/** Windows of one length that end at each step of the query, and at its end. */
async function rollingRows(context: RowsContext, query: UsageQuery): Promise<AnswerRow[]> {
  const { meter, request } = context;
  const range = rangeOf(context, query);
  if (range.fromUs >= range.toUs) return [];
  const toUs = windowBoundaries({ ...range, ...query.windows! })
    .slice(1)
    .map((end) => Math.min(end, range.toUs));
  if (toUs.length > rollingWindowsMax) throw tooManyWindows(toUs.length, rollingWindowsMax);
  const fromUs = toUs.map((end) => rollingStart(end, request.rollingWindow!, request.windowTimeZone));
  const totals = await totalsOf(context, query, { fromUs, toUs });
  return toRows(meter, query, { boundaries: fromUs, ends: toUs, totals }, request);
}

async function totalsOf(
  { meter, read }: RowsContext,
  query: UsageQuery,
  windows: RollingWindows,
): Promise<Total[]> {
  const whole = { ...query, windows: undefined };
  if (keptValues[meter.aggregation] !== 'distinct') {
    const { totals } = await read({ ...whole, cuts: cutsOf(windows) });
    return rollingTotals(addedAs(meter.aggregation), totals, windows);
  }
  const count = windows.toUs.length;
  if (count > rollingReadsMax) throw tooManyWindows(count, rollingReadsMax);
  const found: Total[] = [];
  for (let i = 0; i < count; i++) {
    const { totals } = await read({ ...whole, fromUs: windows.fromUs[i]!, toUs: windows.toUs[i]! });
    for (const total of totals) found.push({ ...total, bucket: i + 1 });
  }
  return found;
}

function tooManyWindows(count: number, max: number): Problem {
  return new Problem(
    'bad_request',
    `The answer would have ${count} rolling windows a group, more than ${max}: narrow from and to, or take a larger windowSize.`,
  );
}
