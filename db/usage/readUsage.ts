import { endUs, formatTimeUs } from '@usage/lib/event/time.ts';
import { passes, type TextFilter } from '@usage/lib/filter/textFilter.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import { groupByNames, isLevel, keptValues } from '@usage/lib/meter/meter.ts';
import { minuteUs } from '@usage/lib/windows/units.ts';
import { windowBoundaries } from '@usage/lib/windows/windows.ts';
import type { Transaction } from '../connection/connect.ts';
import type { MeterToRead } from '../meters/findMeters.ts';
import type { StoredMeter } from '../meters/meterRow.ts';
import { eventsKeptSince } from '../schema/eventsKept.ts';
import { Accumulator, rowsMax, type Total, tooManyRows } from './accumulator.ts';
import { areasOf } from './areas.ts';
import type { UsageContext, UsageQuery, UsageRunner } from './context.ts';
import { deltaCells } from './deltaCells.ts';
import { addDividedEvents, divide } from './divided/read.ts';
import { EventSums, indexesOf, UsageTimeout } from './eventSums.ts';
import { isFromRollups, narrow, rangesOf } from './extent.ts';
import { planCuts, withoutMinutes } from './plan.ts';
import { changesOfLevels, pointsMax, tooManyPoints } from './setLevels.ts';
import { sumAmounts } from './sql/amountSums.ts';
import type { TimeRange } from './sql/pieces.ts';
import { countUniques, groupValues, sumRollups, type UsageScope } from './sql/rollupSums.ts';
import { setPoints } from './sql/setPoints.ts';

export interface UsageTotals {
  /** Bucket i of a total is [boundaries[i-1], boundaries[i]) where the query has windows. */
  boundaries: readonly number[] | undefined;
  totals: Total[];
}

/** First time that is accepted. */
const beginningUs = 0;
const filteredValuesMax = 100_000;
/** How long values are looked at before others get their turn. */
const workMsMax = 10;

/**
 * What a meter measured, to the last event of the transaction's snapshot:
 *
 *   1. windows and bounds become cuts; the cuts say which days, hours, minutes and raw events are read (plan.ts)
 *   2. deltas that are not merged yet are added cell by cell
 *   3. raw events fill the minutes whose cells lie on both sides of a cut (divided/): only now is it known which minutes
 *      these are, and the sum leaves them out
 *   4. rollups are added up by the database, one row a group and bucket
 *
 * A level over time (WEIGHTED_SUM, WEIGHTED_LATEST) needs the level at the beginning as well: all that came before is read as
 * one bucket more. Its answer ends at the present, where the range ends later: no level is known beyond. A level that events set
 * is read by subject and all group values, and levels are added up then.
 *
 * Every event counts once: within a minute either all cells are taken or all raw events. A meter whose rollups are
 * still being built is answered from raw events alone.
 */
export async function readUsage(
  tx: Transaction,
  found: MeterToRead,
  requested: UsageQuery,
  runner: UsageRunner,
): Promise<UsageTotals> {
  const { meter } = found;
  const isSet = keptValues[meter.aggregation] === 'points';
  const query = isSet ? { ...requested, groupBySubject: true, groupBy: groupByNames(meter) } : requested;
  const beginUs = Math.max(beginningUs, meter.eventFromUs ?? beginningUs);
  const hasAreas = isLevel(meter.aggregation);
  const lastUs = hasAreas ? (query.asOfUs ?? runner.nowUs ?? Date.now() * 1_000) : endUs;
  const range = {
    fromUs: Math.max(query.cuts?.[0] ?? query.fromUs ?? beginUs, beginUs),
    toUs: Math.min(query.cuts?.at(-1) ?? query.toUs ?? endUs, lastUs),
  };
  const nothing = { boundaries: undefined, totals: [] };
  if (range.fromUs >= range.toUs) return nothing;

  if (query.asOfUs !== undefined) await checkKept(tx, hasAreas ? { ...range, fromUs: beginUs } : range);
  const scope = await scopeOf(tx, meter, query, runner.deadlineMs);
  const asked = query.windows ? await narrow(tx, found, query, scope, range, runner) : range;
  if (!asked) return nothing;
  // A cut before the meter's first event counts as that: the ranges before it stay, and are empty.
  const boundaries =
    query.cuts?.map((cut) => Math.min(Math.max(cut, beginUs), lastUs)) ??
    (query.windows && windowBoundaries({ ...asked, ...query.windows }));
  const cuts = boundaries
    ? [asked.fromUs, ...boundaries.slice(1, -1), asked.toUs]
    : [range.fromUs, range.toUs];
  const isCarried = hasAreas && cuts[0]! > beginUs;
  if (isCarried) cuts.unshift(beginUs);

  const accumulator = new Accumulator(meter.aggregation);
  const context = { meter, query, cuts, isCarried, runner };
  const events = new EventSums(context);
  if (isFromRollups(meter, query)) await addRollups(accumulator, tx, scope, events, found, context);
  else {
    const reason = query.asOfUs === undefined ? 'meter_in_backfill' : 'as_of';
    await events.addEvents(accumulator, tx, [{ fromUs: cuts[0]!, toUs: cuts.at(-1)! }], reason);
    accumulator.countOwnUniques();
  }
  const totals = accumulator.totals();
  if (!hasAreas) return { boundaries, totals };
  const keyOf = keyIn(meter, requested);
  const changes = isSet ? changesOfLevels(totals, accumulator.points, { cuts, isCarried, keyOf }) : totals;
  return { boundaries, totals: areasOf(changes, cuts, isCarried) };
}

/** The key that is asked for, of a subject and all of its meter's group values. */
function keyIn(meter: StoredMeter, { groupBySubject, groupBy }: UsageQuery) {
  const indexes = indexesOf(meter, groupBy);
  return ([subject, ...groups]: readonly string[]) => [
    ...(groupBySubject ? [subject!] : []),
    ...indexes.map((index) => groups[index]!),
  ];
}

/** An answer as of a moment is made from the events: all that happened in the range must be kept. */
async function checkKept(tx: Transaction, { fromUs }: TimeRange): Promise<void> {
  const keptUs = await eventsKeptSince(tx);
  if (keptUs === undefined || fromUs >= keptUs) return;
  throw new Problem(
    'bad_request',
    `Events from before ${formatTimeUs(keptUs)} are no longer kept, and asOf reads the events: ask for a range from then on.`,
  );
}

async function addRollups(
  accumulator: Accumulator,
  tx: Transaction,
  scope: UsageScope,
  events: EventSums,
  found: MeterToRead,
  { meter, query, cuts, isCarried, runner }: UsageContext,
): Promise<void> {
  const plan = planCuts(cuts, found.daysClosedBeforeUs, found.staleMinutes);
  const stale = new Set(plan.stale);
  const minutes = await divide(tx, scope, cuts, plan.divided);
  for await (const cells of deltaCells(tx, found, query, runner)) {
    for (const one of cells)
      if (!stale.has(one.minute * minuteUs) && !minutes.hold(one)) events.addCell(accumulator, one);
  }
  for (const one of minutes.wholeCells()) events.addCell(accumulator, one);
  const divided = await addDividedEvents(minutes, accumulator, tx, events);
  if (stale.size > 0) await events.addEvents(accumulator, tx, rangesOf(plan.stale), 'corrected_minute');
  const fromEvents = [...divided, ...stale].sort((a, b) => a - b);
  const pieces = { ...plan, cuts, minutes: withoutMinutes(plan.minutes, fromEvents) };
  const uniques = keptValues[meter.aggregation] === 'distinct' ? [...accumulator.uniques()] : undefined;
  const { aggregation } = meter;
  const isAmounts =
    query.amountsOnly && query.groupBySubject && (aggregation === 'SUM' || aggregation === 'COUNT');
  const rows = isAmounts
    ? await sumAmounts(tx, scope, aggregation, pieces, rowsMax + 1)
    : await sumRollups(tx, scope, aggregation, pieces, rowsMax + 1);
  if (rows.length > rowsMax) throw tooManyRows();
  for (const row of rows) accumulator.addRow(row);
  if (uniques) accumulator.setDistinct(await countUniques(tx, scope, pieces, uniques));
  if (keptValues[aggregation] !== 'points') return;
  // What was set before the first window is known from the latest value: it isn't read here.
  const within = isCarried ? cuts.slice(1) : cuts;
  const { minutes: read, ...planned } = planCuts(within, found.daysClosedBeforeUs, found.staleMinutes);
  const ownPieces = { ...planned, cuts: within, minutes: withoutMinutes(read, fromEvents) };
  accumulator.points = await setPoints(tx, scope, ownPieces, pointsMax + 1);
  if (accumulator.points.length > pointsMax) throw tooManyPoints();
}

/** Filters become lists of the values that pass, so that one function decides for rollups, deltas and events. */
async function scopeOf(
  tx: Transaction,
  meter: StoredMeter,
  query: UsageQuery,
  deadlineMs: number,
): Promise<UsageScope> {
  const names = groupByNames(meter);
  const scope: UsageScope = {
    generation: meter.generation,
    subjects: query.subjects ?? (query.groupBySubject ? 'each' : 'all'),
    allowed: [],
    groupBySubject: query.groupBySubject,
    groupByIndexes: indexesOf(meter, query.groupBy),
  };
  if (!isFromRollups(meter, query)) return scope;
  const allowed: { index: number; values: readonly string[] }[] = [];
  for (const [name, filter] of query.filters) {
    const index = names.indexOf(name);
    if (filter.operator === 'eq') allowed.push({ index, values: [filter.value] });
    else if (filter.operator === 'in') allowed.push({ index, values: filter.values });
    else {
      const values = await groupValues(tx, scope, index, filteredValuesMax + 1);
      if (values.length > filteredValuesMax) throw tooManyValues(name);
      allowed.push({ index, values: await passing(filter, values, deadlineMs) });
    }
  }
  return { ...scope, allowed };
}

/** A filter can be made to take long: others are answered in between, and it ends when the query's time is over. */
async function passing(filter: TextFilter, values: readonly string[], deadlineMs: number): Promise<string[]> {
  const passed: string[] = [];
  let pauseMs = performance.now() + workMsMax;
  for (const value of values) {
    if (passes(filter, value)) passed.push(value);
    if (performance.now() < pauseMs) continue;
    if (performance.now() > deadlineMs) throw new UsageTimeout();
    await new Promise((resolve) => setImmediate(resolve));
    pauseMs = performance.now() + workMsMax;
  }
  return passed;
}

function tooManyValues(name: string): Problem {
  return new Problem(
    'bad_request',
    `The group ${name} has more than ${filteredValuesMax} values: filter it with $eq or $in, or filter by subject.`,
  );
}
