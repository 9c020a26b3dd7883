import type { ActiveKey, ApiKey, KeyLimits, Scope } from '@usage/lib/auth/key.ts';
import { ulid } from 'ulid';
import type { Executor, Sql } from '../connection/connect.ts';

/** A key as it may be shown: never its secret. */
export interface StoredKey extends ApiKey {
  createdAt: Date;
  revokedAt: Date | undefined;
  /** To the minute, by the apps' clocks. */
  lastUsedAt: Date | undefined;
}

export interface NewKey {
  namespace: string;
  name: string;
  prefix: string;
  secretHash: Uint8Array;
  scopes: readonly Scope[];
  limits: KeyLimits;
}

/** undefined when the namespace has `keysMax` active keys already. */
export async function createKey(sql: Sql, key: NewKey, keysMax: number): Promise<StoredKey | undefined> {
  const { namespace, name, prefix, secretHash, scopes, limits } = key;
  return (await sql.begin(async (tx) => {
    // The update takes the row's lock, so changes of keys run one after the other and the count holds.
    await bumpVersion(tx);
    const [row] = await tx<KeyRow[]>`
      INSERT INTO api_keys (id, namespace, name, prefix, secret_hash, scopes,
                            events_per_second, events_burst, requests_per_second, requests_burst)
      SELECT ${ulid()}, ${namespace}, ${name}, ${prefix}, ${secretHash as Buffer}, ${scopes as string[]}::text[],
             ${limits.eventsPerSecond ?? null}::integer, ${limits.eventsBurst ?? null}::integer,
             ${limits.requestsPerSecond ?? null}::integer, ${limits.requestsBurst ?? null}::integer
      WHERE (SELECT count(*) FROM api_keys k WHERE k.namespace = ${namespace} AND k.revoked_at IS NULL) < ${keysMax}
      RETURNING ${columns(tx)}`;
    return row && toKey(row);
  })) as StoredKey | undefined;
}

/** The newest first, revoked ones included. */
export async function listKeys(sql: Executor, namespace: string, limit: number): Promise<StoredKey[]> {
  const rows = await sql<KeyRow[]>`
    SELECT ${columns(sql)} FROM api_keys WHERE namespace = ${namespace} ORDER BY id DESC LIMIT ${limit}`;
  return rows.map(toKey);
}

/** By id or prefix; a key that is revoked already stays so. False where the namespace has no such key. */
export async function revokeKey(sql: Sql, namespace: string, idOrPrefix: string): Promise<boolean> {
  return (await sql.begin(async (tx) => {
    await bumpVersion(tx);
    const { count } = await tx`
      UPDATE api_keys SET revoked_at = coalesce(revoked_at, now())
      WHERE namespace = ${namespace} AND (id = ${idOrPrefix} OR prefix = ${idOrPrefix})`;
    return count > 0;
  })) as boolean;
}

/** Another text after every change of the keys, and never one that was there before, in whatever history of the database. */
export async function keysState(sql: Executor): Promise<string> {
  const [row] = await sql<{ state: string }[]>`
    SELECT concat_ws(' ', version, token) AS state FROM api_key_registry`;
  return row!.state;
}

/** Every key that is not revoked, of all namespaces. */
export async function activeKeys(sql: Executor): Promise<ActiveKey[]> {
  const rows = await sql<(KeyRow & { secret_hash: Uint8Array })[]>`
    SELECT ${columns(sql)}, secret_hash FROM api_keys WHERE revoked_at IS NULL`;
  return rows.map((row) => ({ ...toKey(row), secretHash: row.secret_hash }));
}

/** When keys were last used, ms since 1970 by id. To the minute: fewer rows are written. */
export async function noteKeyUse(sql: Executor, lastUsedMs: ReadonlyMap<string, number>): Promise<void> {
  const times = [...lastUsedMs.values()].map((ms) => new Date(ms).toISOString());
  await sql`
    UPDATE api_keys SET last_used_at = used.at
    FROM unnest(${[...lastUsedMs.keys()]}::text[], ${times}::timestamptz[]) AS used (id, at)
    WHERE api_keys.id = used.id AND (last_used_at IS NULL OR last_used_at < used.at - interval '1 minute')`;
}

async function bumpVersion(tx: Executor): Promise<void> {
  await tx`UPDATE api_key_registry SET version = version + 1, token = gen_random_uuid()`;
}

interface KeyRow {
  id: string;
  namespace: string;
  name: string;
  prefix: string;
  scopes: Scope[];
  events_per_second: number | null;
  events_burst: number | null;
  requests_per_second: number | null;
  requests_burst: number | null;
  created_at: Date;
  revoked_at: Date | null;
  last_used_at: Date | null;
}

function columns(sql: Executor) {
  return sql`id, namespace, name, prefix, scopes, events_per_second, events_burst, requests_per_second,
    requests_burst, created_at, revoked_at, last_used_at`;
}

function toKey(row: KeyRow): StoredKey {
  const { id, namespace, name, prefix, scopes } = row;
  const limits = {
    eventsPerSecond: row.events_per_second ?? undefined,
    eventsBurst: row.events_burst ?? undefined,
    requestsPerSecond: row.requests_per_second ?? undefined,
    requestsBurst: row.requests_burst ?? undefined,
  };
  return {
    id,
    namespace,
    name,
    prefix,
    scopes,
    limits,
    createdAt: row.created_at,
    revokedAt: row.revoked_at ?? undefined,
    lastUsedAt: row.last_used_at ?? undefined,
  };
}
