import { endUs } from '@usage/lib/event/time.ts';
import { countedBatch } from '../../backfills/counted.ts';
import type { Executor } from '../../connection/connect.ts';
import { timeOf, timesOf } from '../../connection/times.ts';
import { type RawEvent, rawEventColumns } from '../../events/events.ts';
import { batchesHolding, eventsOfBatches } from '../../events/tenantBatches.ts';
import type { TimeRange } from './pieces.ts';

/** Which events a meter takes. */
export interface EventsOf {
  namespace: string;
  type: string;
  /** undefined = all. */
  subjects: readonly string[] | undefined;
  /** As of this moment of arrival, in µs since 1970: what arrived or was corrected later doesn't count. undefined = now. */
  asOfUs?: number | undefined;
}

/** Rows that are in memory at once. */
const cursorRows = 2_000;

/** Beyond so many batches, the brin index on time is the quicker way to a few minutes. */
const sparseBatchesMax = 500;

/** Of so many ranges each is looked up by itself; of more, all batches from the first to the last are read. */
const rangesMax = 16;

/** The events in time ranges that ascend and don't overlap, in no order: of the batches that may hold some. */
export async function* eventsInRanges(
  tx: Executor,
  of: EventsOf,
  ranges: readonly TimeRange[],
  withAttributes: boolean,
): AsyncGenerator<RawEvent[]> {
  const whole = { fromUs: ranges[0]!.fromUs, toUs: ranges.at(-1)!.toUs };
  const lookedUp = ranges.length <= rangesMax ? ranges : [whole];
  const batches = await batchesHolding(tx, of, lookedUp);
  // Before anything else is looked up of an event: most events of a batch may lie elsewhere.
  const within = lookedUp
    .map(({ fromUs, toUs }) => tx`(e.time >= ${timeOf(tx, fromUs)} AND e.time < ${timeOf(tx, toUs)})`)
    .reduce((all, one) => tx`${all} OR ${one}`);
  const stored =
    batches.length === 0
      ? tx`(SELECT * FROM events WHERE false)`
      : eventsOfBatches(tx, batches, tx`(${within}) AND ${taken(tx, of)}`, sparseBatchesMax);
  const since = timesOf(
    tx,
    ranges.map((range) => range.fromUs),
  );
  const until = timesOf(
    tx,
    ranges.map((range) => range.toUs),
  );
  yield* tx<RawEvent[]>`
    SELECT ${rawEventColumns(tx, withAttributes)}
    FROM unnest(${since}, ${until}) AS r (since, until)
    JOIN ${stored} e ON e.time >= r.since AND e.time < r.until
    UNION ALL
    SELECT ${rawEventColumns(tx, withAttributes)}
    FROM unnest(${since}, ${until}) AS r (since, until)
    JOIN ${amendedEvents(tx, of)} e ON e.time >= r.since AND e.time < r.until
    WHERE ${ofMeter(tx, of)}`.cursor(cursorRows);
}

/** Times of the first and the last event, the last one included; undefined while there is none. Reads them all. */
export async function eventsExtent(tx: Executor, of: EventsOf): Promise<TimeRange | undefined> {
  const batches = await batchesHolding(tx, of, [{ fromUs: 0, toUs: endUs }]);
  const stored =
    batches.length === 0
      ? tx`(SELECT * FROM events WHERE false)`
      : eventsOfBatches(tx, batches, taken(tx, of), Number.POSITIVE_INFINITY);
  const [row] = await tx<{ from_us: number | null; to_us: number | null }[]>`
    SELECT (extract(epoch FROM min(time)) * 1000000)::float8 AS from_us,
           (extract(epoch FROM max(time)) * 1000000 + 1)::float8 AS to_us
    FROM (SELECT e.time FROM ${stored} e
          UNION ALL SELECT e.time FROM ${amendedEvents(tx, of)} e WHERE ${ofMeter(tx, of)}) found`;
  if (row?.from_us == null || row.to_us == null) return undefined;
  return { fromUs: row.from_us, toUs: row.to_us };
}

function ofMeter(tx: Executor, { namespace, type, subjects }: EventsOf) {
  const ofSubject = subjects ? tx`AND e.subject = ANY(${[...subjects]}::text[])` : tx``;
  return tx`e.namespace = ${namespace} AND e.type = ${type} ${ofSubject}`;
}

/** The events that count as they came. */
function taken(tx: Executor, of: EventsOf) {
  const arrived = of.asOfUs === undefined ? tx`` : tx`AND e.ingested_at < ${timeOf(tx, of.asOfUs)}`;
  return tx`${ofMeter(tx, of)} ${arrived} AND NOT EXISTS (
    SELECT FROM corrections c
    WHERE ${inForce(tx, of)} AND c.namespace = e.namespace AND c.source = e.source AND c.event_id = e.id
      AND c.batch_id = e.batch_id)`;
}

/** The events that count as they were amended, like rows of events. */
function amendedEvents(tx: Executor, of: EventsOf) {
  return tx`(
    SELECT c.namespace, c.source, c.event_id AS id, c.type, c.subject, c.time, c.attributes, c.data
    FROM corrections c
    WHERE c.kind = 'amend' AND ${inForce(tx, of)} AND ${countedBatch(tx, tx`c.batch_id`, of.asOfUs)})`;
}

/** Of the table corrections, called c. */
function inForce(tx: Executor, { asOfUs }: EventsOf) {
  if (asOfUs === undefined) return tx`c.undone_at IS NULL`;
  const then = timeOf(tx, asOfUs);
  return tx`(c.corrected_at < ${then} AND (c.undone_at IS NULL OR c.undone_at >= ${then}))`;
}
