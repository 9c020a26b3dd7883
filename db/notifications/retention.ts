import { encodeTime } from 'ulid';
import type { Sql } from '../connection/connect.ts';

/**
 * Forgets at most `rowsMax` events that were made before the time, the oldest first, with their deliveries and attempts. What
 * has fired stays noted, so that nothing fires again. Returns how many.
 */
export async function dropEventsBefore(sql: Sql, before: Date, rowsMax: number): Promise<number> {
  return (await sql.begin(async (tx) => {
    // The id, a ULID, begins with the time.
    const old = await tx<{ id: string }[]>`
      SELECT id FROM notification_events WHERE id < ${timeOfUlid(before)} ORDER BY id LIMIT ${rowsMax}`;
    const ids = old.map(({ id }) => id);
    if (ids.length === 0) return 0;
    await tx`DELETE FROM notification_attempts WHERE event_id = ANY(${ids}::text[])`;
    await tx`DELETE FROM notification_deliveries WHERE event_id = ANY(${ids}::text[])`;
    await tx`DELETE FROM notification_events WHERE id = ANY(${ids}::text[])`;
    return ids.length;
  })) as number;
}

/** How ULIDs of the time begin. */
function timeOfUlid(time: Date): string {
  return encodeTime(time.getTime(), 10);
}
