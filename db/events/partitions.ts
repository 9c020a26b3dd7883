import type { Sql } from '../connection/connect.ts';
import { type Incarnation, incarnation } from '../connection/incarnation.ts';
import { lockRegistry } from '../meters/registry.ts';

/** Days a period lasts. */
export async function periodDays(sql: Sql): Promise<number> {
  const [row] = await sql<{ period_days: number }[]>`SELECT period_days FROM storage_settings`;
  return row!.period_days;
}

/**
 * Opens the period that begins on the day (days since 1970), once, however many processors ask for it. It stays open as
 * long as the returned incarnation lasts.
 */
export async function openPeriod(sql: Sql, day: number): Promise<Incarnation> {
  return (await sql.begin(async (tx) => {
    await lockRegistry(tx);
    const [row] = await tx<{ incarnation: Incarnation }[]>`
      SELECT open_period(DATE '1970-01-01' + ${day}::int), ${incarnation(tx)} AS incarnation`;
    return row!.incarnation;
  })) as Incarnation;
}
