import type { Executor } from '../../connection/connect.ts';
import { timesOf } from '../../connection/times.ts';
import { type RawEvent, rawEventColumns } from '../../events/events.ts';
import type { TimeRange } from './pieces.ts';

/** Which events a meter takes. */
export interface EventsOf {
  namespace: string;
  type: string;
  /** undefined = all. */
  subjects: readonly string[] | undefined;
}

/** Rows that are in memory at once. */
const cursorRows = 2_000;

/** The events in time ranges that don't overlap, in no order; found by the brin index on time. */
export function eventsInRanges(
  tx: Executor,
  of: EventsOf,
  ranges: readonly TimeRange[],
  withAttributes: boolean,
): AsyncIterable<RawEvent[]> {
  const since = timesOf(
    tx,
    ranges.map((range) => range.fromUs),
  );
  const until = timesOf(
    tx,
    ranges.map((range) => range.toUs),
  );
  return tx<RawEvent[]>`
    SELECT ${rawEventColumns(tx, withAttributes)}
    FROM unnest(${since}, ${until}) AS r (since, until)
    JOIN events e ON e.time >= r.since AND e.time < r.until
    WHERE ${taken(tx, of)}`.cursor(cursorRows);
}

/** Times of the first and the last event, the last one included; undefined while there is none. Reads them all. */
export async function eventsExtent(tx: Executor, of: EventsOf): Promise<TimeRange | undefined> {
  const [row] = await tx<{ from_us: number | null; to_us: number | null }[]>`
    SELECT (extract(epoch FROM min(e.time)) * 1000000)::float8 AS from_us,
           (extract(epoch FROM max(e.time)) * 1000000 + 1)::float8 AS to_us
    FROM events e WHERE ${taken(tx, of)}`;
  if (row?.from_us == null || row.to_us == null) return undefined;
  return { fromUs: row.from_us, toUs: row.to_us };
}

function taken(tx: Executor, { namespace, type, subjects }: EventsOf) {
  const ofSubject = subjects ? tx`AND e.subject = ANY(${[...subjects]}::text[])` : tx``;
  return tx`e.namespace = ${namespace} AND e.type = ${type} ${ofSubject}`;
}
