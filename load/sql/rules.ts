import type { Sql } from '@usage/db/connection/connect.ts';

/** Of all namespaces, in one statement: a thousand requests would be a load of their own. */
export async function setRulesDisabled(sql: Sql, disabled: boolean): Promise<void> {
  await sql`UPDATE notification_rules SET disabled = ${disabled}, updated_at = now()`;
}

/** Whether the watch over thresholds has looked at everything that was made, and all that was stored is merged. */
export async function isWatchIdle(sql: Sql): Promise<boolean> {
  const [row] = await sql<{ idle: boolean }[]>`
    SELECT NOT EXISTS (SELECT FROM entitlement_changes) AND NOT EXISTS (SELECT FROM deltas)
       AND NOT EXISTS (SELECT FROM notification_rules WHERE swept_at IS NULL AND NOT disabled AND deleted_at IS NULL) AS idle`;
  return row!.idle;
}
