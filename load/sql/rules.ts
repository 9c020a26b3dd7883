import type { Sql } from '@usage/db/connection/connect.ts';

/** Of all namespaces, in one statement: a thousand requests would be a load of their own. */
export async function setRulesDisabled(sql: Sql, disabled: boolean): Promise<void> {
  await sql`UPDATE notification_rules SET disabled = ${disabled}, updated_at = now()`;
}
