import type { Executor } from '../connection/connect.ts';

/** The correction of an event that is in force. */
export interface EventCorrection {
  id: string;
  action: 'void' | 'amend';
  reason: string;
  correctedAt: string;
}

/** How an amended event counts: its time in µs since 1970, its data as JSON text. */
export interface Amendment {
  time_us: number;
  subject: string;
  data: string | null;
}

/** By the place of the event in the list; events without a correction are left out. */
export async function correctionsOf(
  sql: Executor,
  namespace: string,
  events: readonly { source: string; id: string; batch_id: bigint }[],
): Promise<Map<number, EventCorrection>> {
  const rows = await sql<
    { place: number; id: bigint; kind: 'void' | 'amend'; reason: string; corrected_at: Date }[]
  >`
    SELECT wanted.place::int - 1 AS place, c.id, c.kind, c.reason, c.corrected_at
    FROM unnest(${events.map(({ source }) => source)}::text[], ${events.map(({ id }) => id)}::text[],
                ${events.map((event) => String(event.batch_id))}::bigint[])
           WITH ORDINALITY AS wanted (source, event_id, batch_id, place)
    JOIN corrections c ON c.undone_at IS NULL AND c.namespace = ${namespace}
      AND c.source = wanted.source AND c.event_id = wanted.event_id AND c.batch_id = wanted.batch_id`;
  return new Map(
    rows.map(({ place, id, kind, reason, corrected_at: at }) => [
      place,
      { id: String(id), action: kind, reason, correctedAt: at.toISOString() },
    ]),
  );
}

/** The amendments that are in force, by their ids. */
export async function amendmentsOf(
  sql: Executor,
  namespace: string,
  ids: readonly string[],
): Promise<Map<string, Amendment>> {
  const rows = await sql<(Amendment & { id: bigint })[]>`
    SELECT id, (extract(epoch FROM time) * 1000000)::float8 AS time_us, subject, data::text AS data
    FROM corrections WHERE namespace = ${namespace} AND id = ANY(${[...ids]}::bigint[]) AND kind = 'amend'`;
  return new Map(rows.map(({ id, ...amendment }) => [String(id), amendment]));
}
