import type { ManualReset } from '@usage/lib/limits/engine/usagePeriods.ts';
import type { Executor } from '../connection/connect.ts';
import { usOf } from './columns.ts';
import { type Entitlement, type EntitlementRow, entitlementColumns, toEntitlement } from './entitlements.ts';
import { type GrantRow, grantColumns, type StoredGrant, toGrant } from './grants.ts';

/** An entitlement with all that decides its balance, but for usage and holds: read in one statement, so of one instant. */
export interface EntitlementState {
  entitlement: Entitlement;
  /** Undefined for features without a meter. */
  meterId: string | undefined;
  groupByFilters: Record<string, string> | undefined;
  advancedFilters: Record<string, unknown> | undefined;
  /** Whose usage counts. */
  subjects: string[];
  grants: StoredGrant[];
  /** Ascending. */
  manualResets: ManualReset[];
}

/** Which entitlements are read; those that are deleted only by id. */
export type StatesOf = { ids: readonly string[] } | { customerIds: readonly string[] };

/** At most statesMax of them, in no order. */
export async function readEntitlementStates(
  sql: Executor,
  namespace: string,
  of: StatesOf,
  statesMax: number,
): Promise<EntitlementState[]> {
  const rows = await sql<StateRow[]>`
    SELECT ${entitlementColumns(sql)}, f.meter_id, f.group_by_filters, f.advanced_filters,
      ARRAY(SELECT s.subject FROM customer_subjects s WHERE s.customer_id = e.customer_id) AS subjects,
      CASE WHEN e.type = 'metered' THEN
        (SELECT json_agg(one) FROM (SELECT ${grantColumns(sql)} FROM grants g WHERE g.entitlement_id = e.id) one) END AS grants,
      CASE WHEN e.type = 'metered' THEN
        (SELECT json_agg(one ORDER BY at_us) FROM (
           SELECT ${usOf(sql, 'r.at')} AS at_us, r.moves_anchor, r.preserve_overage
           FROM entitlement_resets r WHERE r.entitlement_id = e.id) one) END AS resets
    FROM entitlements e JOIN customers c ON c.id = e.customer_id JOIN features f ON f.id = e.feature_id
    WHERE e.namespace = ${namespace} AND ${condition(sql, of)} LIMIT ${statesMax}`;
  return rows.map(toState);
}

function condition(sql: Executor, of: StatesOf) {
  if ('ids' in of) return sql`e.id = ANY(${[...of.ids]}::text[])`;
  return sql`e.deleted_at IS NULL AND e.customer_id = ANY(${[...of.customerIds]}::text[])`;
}

interface StateRow extends EntitlementRow {
  meter_id: string | null;
  group_by_filters: Record<string, string> | null;
  advanced_filters: Record<string, unknown> | null;
  subjects: string[];
  grants: GrantRow[] | null;
  resets: { at_us: number; moves_anchor: boolean; preserve_overage: boolean }[] | null;
}

function toState(row: StateRow): EntitlementState {
  return {
    entitlement: toEntitlement(row),
    meterId: row.meter_id ?? undefined,
    groupByFilters: row.group_by_filters ?? undefined,
    advancedFilters: row.advanced_filters ?? undefined,
    subjects: row.subjects,
    grants: (row.grants ?? []).map(toGrant),
    manualResets: (row.resets ?? []).map((reset) => ({
      atUs: reset.at_us,
      movesAnchor: reset.moves_anchor,
      preserveOverage: reset.preserve_overage,
    })),
  };
}
