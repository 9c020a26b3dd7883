import { formatTimeUs } from '@usage/lib/event/time.ts';
import { ulid } from 'ulid';
import type { Executor, Transaction } from '../connection/connect.ts';
import { optionalTime } from '../limits/columns.ts';

export type DeliveryState = 'SUCCESS' | 'FAILED' | 'SENDING' | 'PENDING' | 'RESENDING';

export interface NewEvent {
  /** Of newEventId. */
  id: string;
  namespace: string;
  type: string;
  ruleId: string;
  /** As the API shows it. */
  rule: object;
  /** Without id and timestamp, which are set here. */
  payload: object;
  featureId: string | undefined;
  featureKey: string | undefined;
  subject: string | undefined;
  channelIds: readonly string[];
}

/** One that would fire: the same (rule, target, period, threshold) fires once. */
export interface Firing {
  ruleId: string;
  target: string;
  periodFromUs: number;
  threshold: string;
}

/** Those of the firings that had not fired, now noted. */
export async function claimFirings(
  tx: Transaction,
  firings: readonly (Firing & { eventId: string })[],
): Promise<{ eventId: string; threshold: string }[]> {
  if (firings.length === 0) return [];
  return tx<{ eventId: string; threshold: string }[]>`
    INSERT INTO threshold_firings (rule_id, target, period_from, threshold, event_id)
    SELECT f.rule_id, f.target, f.period_from::timestamptz, f.threshold, e.event_id
    FROM ${unnested(tx, firings)} JOIN unnest(${firings.map((one) => one.eventId)}::text[]) WITH ORDINALITY AS e (event_id, n) USING (n)
    ORDER BY 1, 2, 3, 4
    ON CONFLICT DO NOTHING RETURNING event_id AS "eventId", threshold`;
}

/** Names, as `rule threshold target`, of those that fired in their period. */
export async function firedOf(sql: Executor, firings: readonly Firing[]): Promise<Set<string>> {
  if (firings.length === 0) return new Set();
  const rows = await sql<{ name: string }[]>`
    SELECT concat_ws(' ', f.rule_id, f.threshold, f.target) AS name FROM ${unnested(sql, firings)}
    JOIN threshold_firings t ON t.rule_id = f.rule_id AND t.target = f.target
      AND t.period_from = f.period_from::timestamptz AND t.threshold = f.threshold`;
  return new Set(rows.map(({ name }) => name));
}

/** The firings as rows f (rule_id, target, period_from, threshold, n). */
function unnested(sql: Executor, firings: readonly Firing[]) {
  return sql`unnest(
    ${firings.map(({ ruleId }) => ruleId)}::text[], ${firings.map(({ target }) => target)}::text[],
    ${firings.map(({ periodFromUs }) => formatTimeUs(periodFromUs))}::text[], ${firings.map(({ threshold }) => threshold)}::text[]
  ) WITH ORDINALITY AS f (rule_id, target, period_from, threshold, n)`;
}

/** Those that fired after `sinceUs`, of a rolling window; who asks holds lockTarget. */
export async function firedSince(
  tx: Transaction,
  ruleId: string,
  target: string,
  sinceUs: number,
): Promise<Set<string>> {
  const rows = await tx<{ threshold: string }[]>`
    SELECT threshold FROM threshold_firings WHERE rule_id = ${ruleId} AND target = ${target}
      AND period_from > ${optionalTime(tx, sinceUs)}`;
  return new Set(rows.map(({ threshold }) => threshold));
}

/** Until the transaction ends nobody else fires for the target. */
export async function lockTarget(tx: Transaction, ruleId: string, target: string): Promise<void> {
  await tx`SELECT pg_advisory_xact_lock(hashtextextended(${`${ruleId} ${target}`}, 0))`;
}

export const newEventId = (): string => ulid();

/** With a delivery to each of their channels that is neither deleted nor disabled. */
export async function insertEvents(tx: Transaction, events: readonly NewEvent[]): Promise<void> {
  if (events.length === 0) return;
  const timestamp = new Date().toISOString();
  const rows = events.map(({ channelIds, payload, ...event }) => ({
    ...event,
    payload: { id: event.id, type: event.type, timestamp, ...payload },
  }));
  const deliveries = events.flatMap(({ id, channelIds }) => channelIds.map((channel) => ({ id, channel })));
  await tx`
    INSERT INTO notification_events (id, namespace, type, rule_id, rule, payload, feature_id, feature_key, subject)
    SELECT id, namespace, type, "ruleId", rule, payload, "featureId", "featureKey", subject
    FROM jsonb_to_recordset(${tx.json(rows as never)}::jsonb) AS e (id text, namespace text, type text, "ruleId" text, rule jsonb,
      payload jsonb, "featureId" text, "featureKey" text, subject text)`;
  await tx`
    INSERT INTO notification_deliveries (event_id, channel_id, state, next_attempt_at)
    SELECT d.id, c.id, 'PENDING', now()
    FROM unnest(${deliveries.map(({ id }) => id)}::text[], ${deliveries.map(({ channel }) => channel)}::text[]) AS d (id, channel)
    JOIN notification_channels c ON c.id = d.channel AND c.deleted_at IS NULL AND NOT c.disabled
    ON CONFLICT DO NOTHING`;
}

export interface DeliveryStatus {
  channelId: string;
  state: DeliveryState;
  reason: string;
  updatedAt: string;
  nextAttempt: string | null;
  attempts: {
    state: DeliveryState;
    statusCode: number | null;
    body: string;
    durationMs: number;
    url: string;
    at: string;
  }[];
}

export interface StoredEvent {
  id: string;
  type: string;
  ruleId: string;
  rule: object;
  payload: object;
  createdAt: Date;
  deliveries: DeliveryStatus[];
}

export interface EventListing {
  limit: number;
  offset: number;
  orderBy: 'id' | 'createdAt';
  order: 'ASC' | 'DESC';
  fromUs: number | undefined;
  toUs: number | undefined;
  features: string[] | undefined;
  subjects: string[] | undefined;
  rules: string[] | undefined;
  channels: string[] | undefined;
}

export async function getEvent(
  sql: Executor,
  namespace: string,
  id: string,
): Promise<StoredEvent | undefined> {
  const [row] = await sql<StoredEvent[]>`
    SELECT ${columns(sql)} FROM notification_events e WHERE e.namespace = ${namespace} AND e.id = ${id}`;
  return row;
}

export async function listEvents(
  sql: Executor,
  namespace: string,
  listing: EventListing,
): Promise<{ events: StoredEvent[]; total: number }> {
  const { fromUs, toUs, features, subjects, rules, channels } = listing;
  const from = sql`FROM notification_events e WHERE e.namespace = ${namespace}
    ${fromUs === undefined ? sql`` : sql`AND e.created_at >= ${optionalTime(sql, fromUs)}`}
    ${toUs === undefined ? sql`` : sql`AND e.created_at < ${optionalTime(sql, toUs)}`}
    ${features ? sql`AND (e.feature_key = ANY(${features}::text[]) OR e.feature_id = ANY(${features}::text[]))` : sql``}
    ${subjects ? sql`AND e.subject = ANY(${subjects}::text[])` : sql``}
    ${rules ? sql`AND e.rule_id = ANY(${rules}::text[])` : sql``}
    ${
      channels
        ? sql`AND EXISTS (SELECT FROM notification_deliveries d WHERE d.event_id = e.id AND d.channel_id = ANY(${channels}::text[]))`
        : sql``
    }`;
  const column = listing.orderBy === 'id' ? 'e.id' : 'e.created_at';
  const rows = await sql<StoredEvent[]>`
    SELECT ${columns(sql)} ${from} ORDER BY ${sql(column)} ${listing.order === 'DESC' ? sql`DESC` : sql`ASC`}, e.id
    LIMIT ${listing.limit} OFFSET ${listing.offset}`;
  const [count] = await sql<{ total: number }[]>`SELECT count(*)::int AS total ${from}`;
  return { events: [...rows], total: count!.total };
}

/** False where none of its channels (of these) can be sent to. */
export async function resendEvent(
  tx: Transaction,
  id: string,
  channelIds: readonly string[] | undefined,
): Promise<boolean> {
  const { count } = await tx`
    UPDATE notification_deliveries SET state = 'RESENDING', reason = '', tries = 0, next_attempt_at = now(), updated_at = now()
    WHERE event_id = ${id} ${channelIds ? tx`AND channel_id = ANY(${[...channelIds]}::text[])` : tx``}`;
  return count > 0;
}

function columns(sql: Executor) {
  return sql`e.id, e.type, e.rule_id AS "ruleId", e.rule, e.payload, e.created_at AS "createdAt",
    (SELECT coalesce(json_agg(json_build_object(
       'channelId', d.channel_id, 'state', d.state, 'reason', d.reason, 'updatedAt', d.updated_at, 'nextAttempt', d.next_attempt_at,
       'attempts', (SELECT coalesce(json_agg(json_build_object(
           'state', a.state, 'statusCode', a.status_code, 'body', a.body, 'durationMs', a.duration_ms, 'url', a.url, 'at', a.at) ORDER BY a.id DESC), '[]')
         FROM notification_attempts a WHERE a.event_id = d.event_id AND a.channel_id = d.channel_id))), '[]')
     FROM notification_deliveries d WHERE d.event_id = e.id) AS deliveries`;
}
