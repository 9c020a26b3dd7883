import type { Executor } from '../connection/connect.ts';

export interface NewDeadLetter {
  kind: 'frame' | 'event';
  namespace: string | undefined;
  /** Id of the backfill that the event was sent under. */
  backfill?: string | undefined;
  reason: string;
  frameId: string;
  position: number;
  payload: Uint8Array;
}

export async function insertDeadLetter(sql: Executor, letter: NewDeadLetter): Promise<void> {
  await sql`
    INSERT INTO dead_letters (kind, namespace, reason, frame_id, position, payload, backfill)
    VALUES (${letter.kind}, ${textOf(letter.namespace) ?? null}, ${textOf(letter.reason)!}, ${letter.frameId}, ${letter.position},
            ${Buffer.from(letter.payload)}, ${letter.backfill ?? null})
    ON CONFLICT (frame_id, position) DO NOTHING`;
}

/** PostgreSQL refuses NUL in text, and a dead letter must not be refused. */
function textOf(text: string | undefined): string | undefined {
  return text?.replaceAll('\0', '\uFFFD');
}

export interface DeadLetter {
  id: bigint;
  kind: 'frame' | 'event';
  namespace: string | null;
  backfill: string | null;
  reason: string;
  frame_id: string;
  position: number;
  payload: Buffer;
  created_at: string;
  redriven_at: string | null;
}

/** Whose dead letters. A frame that can't be read belongs to no namespace and may hold the events of any. */
export interface DeadLetterOwner {
  namespace: string;
  /** Whether those of no namespace are theirs too: the operator's alone. */
  withUnowned: boolean;
}

/** The newest first, after (older than) the given id. */
export async function listDeadLetters(
  sql: Executor,
  of: DeadLetterOwner & { beforeId: bigint | undefined; limit: number },
): Promise<DeadLetter[]> {
  return sql<DeadLetter[]>`
    SELECT id, kind, namespace, backfill, reason, frame_id, position, payload, created_at::text, redriven_at::text
    FROM dead_letters
    WHERE ${isOf(sql, of)} AND (${of.beforeId ?? null}::bigint IS NULL OR id < ${of.beforeId ?? null})
    ORDER BY id DESC LIMIT ${of.limit}`;
}

/** Locks the dead letters that are to be driven again; those that were already are left out. */
export async function lockForRedrive(
  sql: Executor,
  ids: bigint[],
  owner: DeadLetterOwner,
): Promise<DeadLetter[]> {
  return sql<DeadLetter[]>`
    SELECT id, kind, namespace, backfill, reason, frame_id, position, payload, created_at::text, redriven_at::text
    FROM dead_letters
    WHERE id = ANY (${ids.map(String)}::bigint[]) AND redriven_at IS NULL AND ${isOf(sql, owner)}
    ORDER BY id FOR UPDATE`;
}

function isOf(sql: Executor, { namespace, withUnowned }: DeadLetterOwner) {
  return sql`(namespace = ${namespace} OR (${withUnowned} AND namespace IS NULL))`;
}

export async function markRedriven(sql: Executor, ids: bigint[]): Promise<void> {
  await sql`UPDATE dead_letters SET redriven_at = now() WHERE id = ANY (${ids.map(String)}::bigint[])`;
}
