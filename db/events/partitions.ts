import type { Sql } from '../connection/connect.ts';
import { lockRegistry } from '../meters/registry.ts';

/** Days a period lasts. */
export async function periodDays(sql: Sql): Promise<number> {
  const [row] = await sql<{ period_days: number }[]>`SELECT period_days FROM storage_settings`;
  return row!.period_days;
}

/** Opens the period that begins on the day (days since 1970), once, however many processors ask for it. */
export async function openPeriod(sql: Sql, day: number): Promise<void> {
  await sql.begin(async (tx) => {
    await lockRegistry(tx);
    await tx`SELECT open_period(DATE '1970-01-01' + ${day}::int)`;
  });
}
