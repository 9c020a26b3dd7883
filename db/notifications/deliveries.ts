import type { Executor, Sql } from '../connection/connect.ts';
import type { DeliveryState } from './events.ts';

export interface DueDelivery {
  eventId: string;
  channelId: string;
  namespace: string;
  /** Attempts before. */
  tries: number;
  /** When it was taken: what came after that (a resend, another service) changed it. */
  takenAt: string;
  payload: object;
  url: string;
  customHeaders: Record<string, string> | null;
  signingSecret: string;
}

/**
 * Takes deliveries whose time has come, at most perChannel of a channel, and none of `busy` channels. They come due again
 * after `leaseMs`, should whoever took them die.
 */
export async function takeDueDeliveries(
  sql: Sql,
  {
    rowsMax,
    perChannel,
    busy,
    leaseMs,
  }: { rowsMax: number; perChannel: number; busy: readonly string[]; leaseMs: number },
): Promise<DueDelivery[]> {
  return sql<DueDelivery[]>`
    WITH due AS (
      SELECT event_id, channel_id FROM notification_deliveries d
      WHERE next_attempt_at <= now() AND channel_id <> ALL(${[...busy]}::text[])
      ORDER BY next_attempt_at LIMIT ${rowsMax * 10} FOR UPDATE SKIP LOCKED),
    ranked AS (SELECT *, row_number() OVER (PARTITION BY channel_id) AS n FROM due),
    taken AS (
      UPDATE notification_deliveries d SET state = CASE WHEN d.state = 'RESENDING' THEN 'RESENDING' ELSE 'SENDING' END,
        next_attempt_at = now() + ${leaseMs} * interval '1 millisecond', updated_at = now()
      FROM (SELECT event_id, channel_id FROM ranked WHERE n <= ${perChannel} LIMIT ${rowsMax}) r
      WHERE d.event_id = r.event_id AND d.channel_id = r.channel_id
      RETURNING d.event_id, d.channel_id, d.tries, d.updated_at)
    SELECT t.event_id AS "eventId", t.channel_id AS "channelId", e.namespace, t.tries, t.updated_at::text AS "takenAt", e.payload, c.url,
           c.custom_headers AS "customHeaders", c.signing_secret AS "signingSecret"
    FROM taken t JOIN notification_events e ON e.id = t.event_id JOIN notification_channels c ON c.id = t.channel_id`;
}

export interface Attempt {
  state: DeliveryState;
  statusCode: number | undefined;
  body: string;
  durationMs: number;
  url: string;
}

/**
 * Notes an attempt and what comes next: undefined = nothing. Where the delivery has changed since it was taken, because somebody
 * asked for it to be sent again meanwhile, only the attempt is noted.
 */
export async function noteDelivery(
  sql: Executor,
  { eventId, channelId, takenAt }: Pick<DueDelivery, 'eventId' | 'channelId' | 'takenAt'>,
  attempt: Attempt,
  reason: string,
  nextInMs: number | undefined,
): Promise<void> {
  await sql`
    WITH noted AS (
      INSERT INTO notification_attempts (event_id, channel_id, state, status_code, body, duration_ms, url)
      VALUES (${eventId}, ${channelId}, ${attempt.state}, ${attempt.statusCode ?? null}, ${attempt.body}, ${attempt.durationMs}, ${attempt.url}))
    UPDATE notification_deliveries SET tries = tries + 1, reason = ${reason}, updated_at = now(),
      state = ${attempt.state === 'SUCCESS' ? 'SUCCESS' : nextInMs === undefined ? 'FAILED' : 'SENDING'},
      next_attempt_at = now() + ${nextInMs ?? null}::float8 * interval '1 millisecond'
    WHERE event_id = ${eventId} AND channel_id = ${channelId} AND updated_at = ${takenAt}::text::timestamptz`;
}

/** What waits for a channel that is disabled or deleted is given up. */
export async function failDeliveriesOfClosedChannels(sql: Sql): Promise<number> {
  const { count } = await sql`
    UPDATE notification_deliveries d SET state = 'FAILED', reason = 'the channel is disabled or deleted', next_attempt_at = NULL, updated_at = now()
    FROM notification_channels c
    WHERE c.id = d.channel_id AND (c.disabled OR c.deleted_at IS NOT NULL) AND d.next_attempt_at <= now() AND d.state <> 'RESENDING'`;
  return count;
}

export interface DeliveryBacklog {
  due: number;
  oldestSeconds: number;
  /** Channels, neither disabled nor deleted, that have only failed for so many hours. */
  failing: number;
}

export async function deliveryBacklog(sql: Sql, failingHours: number): Promise<DeliveryBacklog> {
  const [row] = await sql<DeliveryBacklog[]>`
    SELECT count(*)::int AS due, coalesce(extract(epoch FROM now() - min(next_attempt_at)), 0)::float8 AS "oldestSeconds",
      (SELECT count(*)::int FROM notification_channels
       WHERE NOT disabled AND deleted_at IS NULL AND failing_since < now() - ${failingHours} * interval '1 hour') AS failing
    FROM notification_deliveries WHERE next_attempt_at <= now()`;
  return row!;
}
