import type { Sql } from '../connection/connect.ts';
import { type Incarnation, incarnation } from '../connection/incarnation.ts';

/**
 * Makes room for the events that arrived on a day (days since 1970), once, however many processors ask for it. It is there as
 * long as the returned incarnation lasts. Runs beside batches, and waits for none of them.
 */
export async function openPeriod(sql: Sql, day: number): Promise<Incarnation> {
  const [row] = await sql<{ incarnation: Incarnation }[]>`
    SELECT open_period(DATE '1970-01-01' + ${day}::int), ${incarnation(sql)} AS incarnation`;
  return row!.incarnation;
}
