import type { Executor } from '@usage/db/connection/connect.ts';

/** A question about a SUM meter, answered from the events alone: what the load harness compares queries with. */
export interface RawQuestion {
  type: string;
  /** Key of data that holds the value, and keys to group by. */
  value: string;
  groupBy: readonly string[];
  /** undefined = all together. */
  subject: string | undefined;
  from: Date;
  to: Date;
  /** undefined: one total. */
  window: 'minute' | 'hour' | 'day' | undefined;
}

export interface RawAnswer {
  window_start: string | null;
  groups: string[];
  value: string;
}

export async function sumRawEvents(sql: Executor, of: RawQuestion): Promise<RawAnswer[]> {
  const ofSubject = of.subject === undefined ? sql`` : sql`AND subject = ${of.subject}`;
  return sql<RawAnswer[]>`
    SELECT date_trunc(${of.window ?? null}::text, time) AS window_start,
           ARRAY(SELECT data ->> key FROM unnest(${[...of.groupBy]}::text[]) AS key) AS groups,
           sum((data ->> ${of.value})::numeric) AS value
    FROM events
    WHERE namespace = 'default' AND type = ${of.type} AND time >= ${of.from} AND time < ${of.to} ${ofSubject}
    GROUP BY 1, 2`;
}
