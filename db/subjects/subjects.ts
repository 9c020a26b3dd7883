import { ulid } from 'ulid';
import type { Executor, Sql, Transaction } from '../connection/connect.ts';

/** What is known of a subject beyond its key; events may name subjects that are not stored. */
export interface Subject {
  /** ULID. */
  id: string;
  namespace: string;
  key: string;
  displayName: string | undefined;
  metadata: Record<string, unknown> | undefined;
  /** µs since 1970. */
  currentPeriodStartUs: number | undefined;
  currentPeriodEndUs: number | undefined;
  stripeCustomerId: string | undefined;
  createdAt: Date;
  updatedAt: Date;
}

/** A field that is undefined stays as it is, null clears it. */
export interface SubjectChange {
  key: string;
  displayName?: string | null | undefined;
  metadata?: Record<string, unknown> | null | undefined;
  currentPeriodStartUs?: number | null | undefined;
  currentPeriodEndUs?: number | null | undefined;
  stripeCustomerId?: string | null | undefined;
}

/**
 * Creates the subjects that aren't there and changes the others, all or none. Keys must differ. The result is in the
 * order of `changes`.
 */
export async function upsertSubjects(
  sql: Sql,
  namespace: string,
  changes: readonly SubjectChange[],
): Promise<Subject[]> {
  // In the order of their keys, so that two requests never wait for each other's rows.
  const ordered = changes.toSorted((a, b) => (a.key < b.key ? -1 : 1));
  const subjects = await sql.begin((tx) => ordered.map((change) => upsertSubject(tx, namespace, change)));
  const byKey = new Map(subjects.map(([row]) => [row!.key, toSubject(row!)]));
  return changes.map(({ key }) => byKey.get(key)!);
}

/** By id or key; a key wins over another subject's id. */
export async function getSubject(
  sql: Executor,
  namespace: string,
  idOrKey: string,
): Promise<Subject | undefined> {
  const [row] = await sql<SubjectRow[]>`
    SELECT ${columns(sql)} FROM subjects s
    WHERE s.namespace = ${namespace} AND (s.key = ${idOrKey} OR s.id = ${idOrKey})
    ORDER BY s.key = ${idOrKey} DESC LIMIT 1`;
  return row && toSubject(row);
}

/** One page, ordered by key. */
export async function listSubjects(
  sql: Executor,
  namespace: string,
  { page, pageSize }: { page: number; pageSize: number },
): Promise<Subject[]> {
  const rows = await sql<SubjectRow[]>`
    SELECT ${columns(sql)} FROM subjects s WHERE s.namespace = ${namespace}
    ORDER BY s.key COLLATE "C" LIMIT ${pageSize} OFFSET ${(page - 1) * pageSize}`;
  return rows.map(toSubject);
}

/** Its events stay. False where there is none. */
export async function deleteSubject(sql: Executor, namespace: string, id: string): Promise<boolean> {
  const { count } = await sql`DELETE FROM subjects WHERE namespace = ${namespace} AND id = ${id}`;
  return count > 0;
}

function upsertSubject(tx: Transaction, namespace: string, change: SubjectChange) {
  const { key, displayName, metadata, currentPeriodStartUs, currentPeriodEndUs, stripeCustomerId } = change;
  return tx<SubjectRow[]>`
    INSERT INTO subjects AS s (id, namespace, key, display_name, metadata, current_period_start, current_period_end,
                               stripe_customer_id)
    VALUES (${ulid()}, ${namespace}, ${key}, ${displayName ?? null},
            ${metadata ? tx.json(metadata as never) : null}::jsonb,
            timestamptz 'epoch' + ${currentPeriodStartUs ?? null}::bigint * interval '1 microsecond',
            timestamptz 'epoch' + ${currentPeriodEndUs ?? null}::bigint * interval '1 microsecond',
            ${stripeCustomerId ?? null})
    ON CONFLICT (namespace, key) DO UPDATE SET updated_at = now()
      ${displayName === undefined ? tx`` : tx`, display_name = excluded.display_name`}
      ${metadata === undefined ? tx`` : tx`, metadata = excluded.metadata`}
      ${currentPeriodStartUs === undefined ? tx`` : tx`, current_period_start = excluded.current_period_start`}
      ${currentPeriodEndUs === undefined ? tx`` : tx`, current_period_end = excluded.current_period_end`}
      ${stripeCustomerId === undefined ? tx`` : tx`, stripe_customer_id = excluded.stripe_customer_id`}
    RETURNING ${columns(tx)}`;
}

interface SubjectRow {
  id: string;
  namespace: string;
  key: string;
  display_name: string | null;
  metadata: Record<string, unknown> | null;
  current_period_start_us: bigint | null;
  current_period_end_us: bigint | null;
  stripe_customer_id: string | null;
  created_at: Date;
  updated_at: Date;
}

function columns(sql: Executor) {
  return sql`s.id, s.namespace, s.key, s.display_name, s.metadata,
    (extract(epoch FROM s.current_period_start) * 1000000)::bigint AS current_period_start_us,
    (extract(epoch FROM s.current_period_end) * 1000000)::bigint AS current_period_end_us,
    s.stripe_customer_id, s.created_at, s.updated_at`;
}

function toSubject(row: SubjectRow): Subject {
  return {
    id: row.id,
    namespace: row.namespace,
    key: row.key,
    displayName: row.display_name ?? undefined,
    metadata: row.metadata ?? undefined,
    currentPeriodStartUs: numberOf(row.current_period_start_us),
    currentPeriodEndUs: numberOf(row.current_period_end_us),
    stripeCustomerId: row.stripe_customer_id ?? undefined,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

function numberOf(us: bigint | null): number | undefined {
  return us === null ? undefined : Number(us);
}
