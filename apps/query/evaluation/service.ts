import type { Transaction } from '@usage/db/connection/connect.ts';
import type { ListedEvent } from '@usage/db/events/eventLists.ts';
import type { EventFilters } from '@usage/db/events/listFilters.ts';
import { listAllMeters } from '@usage/db/meters/findMeters.ts';
import { formatDecimal } from '@usage/lib/decimal/decimal.ts';
import { formatTimeUs } from '@usage/lib/event/time.ts';
import { parseJson } from '@usage/lib/json/parse.ts';
import { type CompiledMeter, compileMeter, type Measurement } from '@usage/lib/meter/evaluate.ts';
import { groupByNames, type Meter } from '@usage/lib/meter/meter.ts';
import type { EvaluatedEvent, Evaluation, MeterOutcome } from '@usage/lib/queryApi/evaluation.ts';
import { type CorrectedEvent, withCorrections } from '../events/corrected.ts';
import { findEvents } from '../events/service.ts';
import type { QueryRunner } from '../runner.ts';
import { pathsIn } from './paths.ts';

/** The meter of a preview: not stored, so it has no generation. `fromUs`: events before it don't count. */
export type PreviewMeter = Meter & { fromUs: number | undefined };

export interface EvaluationRequest {
  /** undefined = every meter of the event's type. */
  meter: PreviewMeter | undefined;
  /** undefined = the newest events of the meter's type. */
  event: { source: string; id: string } | undefined;
  limit: number;
}

/** What meters make of stored events. Problems: 503 where it takes too long. */
export async function evaluate(
  runner: QueryRunner,
  namespace: string,
  { meter, event, limit }: EvaluationRequest,
): Promise<Evaluation> {
  return await runner.read('events', namespace, async (tx, deadlineMs) => {
    const filters = filtersFor(meter, event);
    const listing = { order: newestFirst, filters, customerIds: undefined, place: undefined, limit };
    const events = await findEvents(tx, namespace, listing, deadlineMs);
    const meters = meter
      ? [{ ...compileMeter(meter), fromUs: meter.fromUs }]
      : await storedMeters(tx, namespace);
    const corrected = await withCorrections(tx, namespace, events);
    const data = corrected.map(({ current: { data } }) => (data === null ? undefined : parseJson(data)));
    return {
      items: corrected.map((one, at) => evaluated(one, data[at], meters)),
      paths: pathsIn(data),
    };
  });
}

/** By arrival: what came in last is what somebody looks for. */
const newestFirst = { by: 'ingested_at', ascending: false } as const;

function filtersFor(meter: PreviewMeter | undefined, event: EvaluationRequest['event']): EventFilters {
  const equals = (column: 'id' | 'source' | 'type', value: string) =>
    ({ column, filter: { operator: 'eq', value } }) as const;
  if (event) return { texts: [equals('source', event.source), equals('id', event.id)], times: [] };
  return { texts: meter ? [equals('type', meter.eventType)] : [], times: [] };
}

type EvaluatedMeter = CompiledMeter & { fromUs: number | undefined };

async function storedMeters(tx: Transaction, namespace: string): Promise<EvaluatedMeter[]> {
  const meters = await listAllMeters(tx, namespace);
  return meters.map((meter) => ({ ...compileMeter(meter), fromUs: meter.eventFromUs }));
}

/** Of the event as it counts: a voided one, and one of an open backfill, count for no meter, an amended one as it was amended. */
function evaluated(one: CorrectedEvent, data: unknown, meters: readonly EvaluatedMeter[]): EvaluatedEvent {
  const { current } = one;
  const { id, source, type, subject, time_us: timeUs, arrived_us: arrivedUs } = current;
  const reason = hiddenBy(one);
  const outcome = (meter: EvaluatedMeter): MeterOutcome =>
    reason === undefined ? outcomeOf(meter, data, current) : { ...nameOf(meter), counted: false, reason };
  return {
    id,
    source,
    type,
    subject,
    time: formatTimeUs(timeUs),
    ingestedAt: formatTimeUs(arrivedUs),
    meters: meters.filter(({ meter }) => meter.eventType === type).map(outcome),
  };
}

/** Why the event counts for no meter, whatever it holds. */
function hiddenBy({ correction, backfill }: CorrectedEvent): string | undefined {
  if (backfill && backfill.state !== 'closed')
    return `the event was sent under the backfill ${backfill.id}, which is ${backfill.state}`;
  return correction?.action === 'void' ? `the event was voided: ${correction.reason}` : undefined;
}

function nameOf({ meter: { slug, aggregation } }: EvaluatedMeter) {
  return { slug, aggregation };
}

function outcomeOf(evaluatedMeter: EvaluatedMeter, data: unknown, event: ListedEvent): MeterOutcome {
  const { meter, measure, fromUs } = evaluatedMeter;
  const name = nameOf(evaluatedMeter);
  if (fromUs !== undefined && event.time_us < fromUs) {
    const reason = `its time is before the meter’s eventFrom, ${formatTimeUs(fromUs)}`;
    return { ...name, counted: false, reason };
  }
  const measured = measure(data, event);
  if (measured === undefined) return { ...name, counted: false, reason: 'the meter’s filters leave it out' };
  if (typeof measured === 'string') return { ...name, counted: false, reason: measured };
  const groupBy = Object.fromEntries(groupByNames(meter).map((name, at) => [name, measured.groups[at]!]));
  return { ...name, counted: true, value: addedBy(measured), groupBy };
}

function addedBy({ value, unique }: Measurement): string {
  if (unique !== undefined) return unique;
  return value === undefined ? '1' : formatDecimal(value);
}
