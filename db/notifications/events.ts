import { ulid } from 'ulid';
import type { Executor, Transaction } from '../connection/connect.ts';
import { optionalTime } from '../limits/columns.ts';

export type DeliveryState = 'SUCCESS' | 'FAILED' | 'SENDING' | 'PENDING' | 'RESENDING';

export interface NewEvent {
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

/** Those of the firings that had not fired, now noted under the event's id. */
export async function claimFirings(
  tx: Transaction,
  eventId: string,
  firings: readonly Firing[],
): Promise<Firing[]> {
  const claimed: Firing[] = [];
  for (const firing of firings) {
    const { count } = await tx`
      INSERT INTO threshold_firings (rule_id, target, period_from, threshold, event_id)
      VALUES (${firing.ruleId}, ${firing.target}, ${optionalTime(tx, firing.periodFromUs)}, ${firing.threshold}, ${eventId})
      ON CONFLICT DO NOTHING`;
    if (count > 0) claimed.push(firing);
  }
  return claimed;
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

/** With a delivery to each of its channels that is neither deleted nor disabled. */
export async function insertEvent(tx: Transaction, id: string, event: NewEvent): Promise<void> {
  const payload = { id, type: event.type, timestamp: new Date().toISOString(), ...event.payload };
  await tx`
    INSERT INTO notification_events (id, namespace, type, rule_id, rule, payload, feature_id, feature_key, subject)
    VALUES (${id}, ${event.namespace}, ${event.type}, ${event.ruleId}, ${tx.json(event.rule as never)}, ${tx.json(payload as never)},
            ${event.featureId ?? null}, ${event.featureKey ?? null}, ${event.subject ?? null})`;
  await tx`
    INSERT INTO notification_deliveries (event_id, channel_id, state, next_attempt_at)
    SELECT ${id}, c.id, 'PENDING', now() FROM notification_channels c
    WHERE c.id = ANY(${[...event.channelIds]}::text[]) AND c.deleted_at IS NULL AND NOT c.disabled`;
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
