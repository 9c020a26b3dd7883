import { dayMs } from '@usage/lib/windows/units.ts';
import { encodeTime, ulid } from 'ulid';
import type { Executor } from '../connection/connect.ts';

/** Shows one subject its own usage, for a while. Its secret is never stored. */
export interface PortalToken {
  /** ULID. */
  id: string;
  subject: string;
  /** undefined = every meter of the namespace. */
  allowedMeterSlugs: string[] | undefined;
  createdAt: Date;
  expiresAt: Date;
}

export interface NewPortalToken {
  namespace: string;
  subject: string;
  allowedMeterSlugs: readonly string[] | undefined;
  secretHash: Uint8Array;
  /** The key that made it; undefined for the operator. */
  apiKeyId: string | undefined;
  expiresAt: Date;
}

/**
 * Also forgets the namespace's tokens that expired more than a week ago. undefined where it has made `perDayMax` of them
 * within a day, the longest that one may live. (Two at once may both be the last one.)
 */
export async function createPortalToken(
  sql: Executor,
  token: NewPortalToken,
  perDayMax: number,
): Promise<PortalToken | undefined> {
  const { namespace, subject, allowedMeterSlugs, secretHash, apiKeyId, expiresAt } = token;
  const [row] = await sql<PortalTokenRow[]>`
    WITH forgotten AS (
      DELETE FROM portal_tokens WHERE namespace = ${namespace} AND expires_at < now() - interval '7 days'
    )
    INSERT INTO portal_tokens (id, namespace, subject, allowed_meter_slugs, secret_hash, api_key_id, expires_at)
    SELECT ${ulid()}, ${namespace}, ${subject}, ${(allowedMeterSlugs as string[] | undefined) ?? null}::text[],
           ${secretHash as Buffer}, ${apiKeyId ?? null}, ${expiresAt}::timestamptz
    WHERE NOT EXISTS (
      SELECT FROM portal_tokens t WHERE t.namespace = ${namespace} AND t.id >= ${idsFrom(Date.now() - dayMs)}
      OFFSET ${perDayMax - 1})
    RETURNING ${columns(sql)}`;
  return row && toToken(row);
}

const ulidTimeLength = 10;

/** ULIDs sort by time: none that was made at or after this comes before it. */
function idsFrom(ms: number): string {
  return encodeTime(ms, ulidTimeLength);
}

/** The newest first, expired ones included. */
export async function listPortalTokens(
  sql: Executor,
  namespace: string,
  limit: number,
): Promise<PortalToken[]> {
  const rows = await sql<PortalTokenRow[]>`
    SELECT ${columns(sql)} FROM portal_tokens WHERE namespace = ${namespace} ORDER BY id DESC LIMIT ${limit}`;
  return rows.map(toToken);
}

/** By id, by subject, or those that are both; at least one is given. */
export async function deletePortalTokens(
  sql: Executor,
  namespace: string,
  { id, subject }: { id: string | undefined; subject: string | undefined },
): Promise<void> {
  await sql`
    DELETE FROM portal_tokens WHERE namespace = ${namespace}
      AND (${id ?? null}::text IS NULL OR id = ${id ?? null})
      AND (${subject ?? null}::text IS NULL OR subject = ${subject ?? null})`;
}

/** The token with this secret, unless it has expired or the key that made it was revoked. */
export async function findPortalToken(
  sql: Executor,
  secretHash: Uint8Array,
): Promise<(PortalToken & { namespace: string }) | undefined> {
  const [row] = await sql<(PortalTokenRow & { namespace: string })[]>`
    SELECT ${columns(sql)}, namespace FROM portal_tokens t
    WHERE secret_hash = ${secretHash as Buffer} AND expires_at > now()
      AND NOT EXISTS (SELECT FROM api_keys k WHERE k.id = t.api_key_id AND k.revoked_at IS NOT NULL)`;
  return row && { ...toToken(row), namespace: row.namespace };
}

interface PortalTokenRow {
  id: string;
  subject: string;
  allowed_meter_slugs: string[] | null;
  created_at: Date;
  expires_at: Date;
}

function columns(sql: Executor) {
  return sql`id, subject, allowed_meter_slugs, created_at, expires_at`;
}

function toToken(row: PortalTokenRow): PortalToken {
  return {
    id: row.id,
    subject: row.subject,
    allowedMeterSlugs: row.allowed_meter_slugs ?? undefined,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
  };
}
