import { formatTimeUs } from '@usage/lib/event/time.ts';
import type { Executor } from './connect.ts';

/** µs since 1970 as a timestamptz; as text, since postgres.js would send it through a Date and lose the microseconds. */
export function timeOf(sql: Executor, us: number) {
  return sql`${formatTimeUs(us)}::text::timestamptz`;
}

/** The cast runs wherever it stands: put it where it runs once and not for each row. */
export function timesOf(sql: Executor, us: readonly number[]) {
  return sql`${us.map(formatTimeUs)}::text[]::timestamptz[]`;
}
