import { ulid } from 'ulid';
import type { Executor, Transaction } from '../connection/connect.ts';
import { optionalJson } from '../limits/columns.ts';
import type { NotificationListing } from './channels.ts';

export type RuleType = 'entitlements.balance.threshold' | 'entitlements.reset' | 'usage.threshold';

/** Of entitlements: OpenMeter's types; of plain usage always 'usage_value'. */
export interface Threshold {
  type: 'PERCENT' | 'NUMBER' | 'balance_value' | 'usage_percentage' | 'usage_value';
  value: number;
}

/** What a rule on a plain meter watches. */
export interface WatchedUsage {
  of: 'subject' | 'customer' | 'group' | 'all';
  /** Of 'group': group-by names of the meter. */
  groupBy?: string[];
  period: 'DAY' | 'MONTH' | 'ROLLING';
  /** Of 'DAY' and 'MONTH'. */
  timeZone?: string;
  /** Of 'ROLLING'. */
  seconds?: number;
  filterGroupBy?: Record<string, string>;
}

export interface Rule {
  /** ULID. */
  id: string;
  namespace: string;
  type: RuleType;
  name: string;
  disabled: boolean;
  thresholds: Threshold[];
  /** undefined = all. */
  featureIds: string[] | undefined;
  meterId: string | undefined;
  usage: WatchedUsage | undefined;
  channelIds: string[];
  metadata: Record<string, string> | undefined;
  createdAt: Date;
  updatedAt: Date;
  deletedAt: Date | undefined;
}

export type RuleFields = Omit<Rule, 'id' | 'namespace' | 'createdAt' | 'updatedAt' | 'deletedAt'>;

export async function insertRule(tx: Transaction, namespace: string, rule: RuleFields): Promise<Rule> {
  const [row] = await tx<RuleRow[]>`
    INSERT INTO notification_rules AS r (id, namespace, type, name, disabled, thresholds, feature_ids, meter_id, usage, channel_ids, metadata)
    VALUES (${ulid()}, ${namespace}, ${rule.type}, ${rule.name}, ${rule.disabled}, ${tx.json(rule.thresholds as never)},
            ${rule.featureIds ?? null}::text[], ${rule.meterId ?? null}, ${optionalJson(tx, rule.usage)},
            ${rule.channelIds}::text[], ${optionalJson(tx, rule.metadata)})
    RETURNING ${columns(tx)}`;
  return toRule(row!);
}

/** Everything that it is about is looked at once more. */
export async function replaceRule(tx: Transaction, id: string, rule: RuleFields): Promise<Rule> {
  const [row] = await tx<RuleRow[]>`
    UPDATE notification_rules AS r SET name = ${rule.name}, disabled = ${rule.disabled},
      thresholds = ${tx.json(rule.thresholds as never)}, feature_ids = ${rule.featureIds ?? null}::text[],
      meter_id = ${rule.meterId ?? null}, usage = ${optionalJson(tx, rule.usage)}, channel_ids = ${rule.channelIds}::text[],
      metadata = ${optionalJson(tx, rule.metadata)}, updated_at = now(), swept_at = NULL
    WHERE id = ${id} RETURNING ${columns(tx)}`;
  return toRule(row!);
}

export async function markRuleDeleted(tx: Transaction, id: string): Promise<void> {
  await tx`UPDATE notification_rules SET deleted_at = now(), updated_at = now() WHERE id = ${id}`;
}

export async function getRule(sql: Executor, namespace: string, id: string): Promise<Rule | undefined> {
  const [row] = await sql<RuleRow[]>`
    SELECT ${columns(sql)} FROM notification_rules r WHERE r.namespace = ${namespace} AND r.id = ${id}`;
  return row && toRule(row);
}

export async function listRules(
  sql: Executor,
  namespace: string,
  listing: NotificationListing & { features: string[] | undefined; channels: string[] | undefined },
): Promise<{ rules: Rule[]; total: number }> {
  const { features, channels } = listing;
  const from = sql`FROM notification_rules r WHERE r.namespace = ${namespace}
    ${listing.includeDeleted ? sql`` : sql`AND r.deleted_at IS NULL`} ${listing.includeDisabled ? sql`` : sql`AND NOT r.disabled`}
    ${channels ? sql`AND r.channel_ids && ${channels}::text[]` : sql``}
    ${
      features
        ? sql`AND r.feature_ids && (SELECT array_agg(f.id) FROM features f WHERE f.namespace = ${namespace}
                AND (f.id = ANY(${features}::text[]) OR f.key = ANY(${features}::text[])))`
        : sql``
    }`;
  const column = { id: 'r.id', type: 'r.type', createdAt: 'r.created_at', updatedAt: 'r.updated_at' }[
    listing.orderBy
  ];
  const rows = await sql<RuleRow[]>`
    SELECT ${columns(sql)} ${from} ORDER BY ${sql(column)} ${listing.order === 'DESC' ? sql`DESC` : sql`ASC`}, r.id
    LIMIT ${listing.limit} OFFSET ${listing.offset}`;
  const [count] = await sql<{ total: number }[]>`SELECT count(*)::int AS total ${from}`;
  return { rules: rows.map(toRule), total: count!.total };
}

export interface ActiveRule extends Rule {
  isSwept: boolean;
}

/** Of all namespaces, neither deleted nor disabled. */
export async function activeRules(sql: Executor): Promise<ActiveRule[]> {
  const rows = await sql<(RuleRow & { is_swept: boolean })[]>`
    SELECT ${columns(sql)}, r.swept_at IS NOT NULL AS is_swept FROM notification_rules r
    WHERE r.deleted_at IS NULL AND NOT r.disabled ORDER BY r.id`;
  return rows.map((row) => ({ ...toRule(row), isSwept: row.is_swept }));
}

export async function markRuleSwept(sql: Executor, { id, updatedAt }: Rule): Promise<void> {
  await sql`UPDATE notification_rules SET swept_at = now() WHERE id = ${id} AND updated_at <= ${updatedAt.toISOString()}::timestamptz + interval '1 millisecond'`;
}

interface RuleRow {
  id: string;
  namespace: string;
  type: RuleType;
  name: string;
  disabled: boolean;
  thresholds: Threshold[] | null;
  feature_ids: string[] | null;
  meter_id: string | null;
  usage: WatchedUsage | null;
  channel_ids: string[];
  metadata: Record<string, string> | null;
  created_at: Date;
  updated_at: Date;
  deleted_at: Date | null;
}

function columns(sql: Executor) {
  return sql`r.id, r.namespace, r.type, r.name, r.disabled, r.thresholds, r.feature_ids, r.meter_id, r.usage, r.channel_ids,
    r.metadata, r.created_at, r.updated_at, r.deleted_at`;
}

function toRule(row: RuleRow): Rule {
  return {
    id: row.id,
    namespace: row.namespace,
    type: row.type,
    name: row.name,
    disabled: row.disabled,
    thresholds: row.thresholds ?? [],
    featureIds: row.feature_ids ?? undefined,
    meterId: row.meter_id ?? undefined,
    usage: row.usage ?? undefined,
    channelIds: row.channel_ids,
    metadata: row.metadata ?? undefined,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    deletedAt: row.deleted_at ?? undefined,
  };
}
