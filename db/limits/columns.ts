import { type Decimal, formatDecimal, readDecimal } from '@usage/lib/decimal/decimal.ts';
import { formatTimeUs } from '@usage/lib/event/time.ts';
import type { Executor } from '../connection/connect.ts';

/** Times and amounts between PostgreSQL and the apps, exact both ways. */

/** A timestamptz column, like 'g.voided_at', as µs since 1970. */
export function usOf(sql: Executor, column: string) {
  return sql`(extract(epoch FROM ${sql(column)}) * 1000000)::float8`;
}

export function optionalTime(sql: Executor, us: number | undefined) {
  return sql`${us === undefined ? null : formatTimeUs(us)}::text::timestamptz`;
}

export function optionalAmount(sql: Executor, amount: Decimal | undefined) {
  return sql`${amount === undefined ? null : formatDecimal(amount)}::text::numeric`;
}

export function optionalJson(sql: Executor, value: object | undefined) {
  return sql`${value === undefined ? null : sql.json(value as never)}::jsonb`;
}

export function toAmount(text: string | null): Decimal | undefined {
  return text === null ? undefined : readDecimal(text);
}
