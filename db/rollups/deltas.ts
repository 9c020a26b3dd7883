import type { Executor, Transaction } from '../connection/connect.ts';

export interface NewDelta {
  generation: bigint;
  /** Cells and their distinct values (lib/cells/cells.ts); the column is called cells. */
  weight: number;
  arrivedMs: number;
  payload: Buffer;
}

export async function insertDeltas(sql: Executor, deltas: NewDelta[]): Promise<void> {
  if (deltas.length === 0) return;
  // As texts: postgres.js takes an array of bigint or Buffer for a single one.
  const hex = deltas.map((delta) => delta.payload.toString('hex'));
  await sql`
    INSERT INTO deltas (build, cells, arrived_at, payload)
    SELECT build, cells, to_timestamp(arrived_ms / 1000), decode(payload, 'hex')
    FROM unnest(${deltas.map((d) => String(d.generation))}::bigint[], ${deltas.map((d) => d.weight)}::int[],
                ${deltas.map((d) => d.arrivedMs)}::float8[], ${hex}::text[])
      AS d (build, cells, arrived_ms, payload)`;
}

export interface StoredDelta {
  id: bigint;
  payload: Buffer;
  arrived_ms: number;
}

/** Generations that have deltas, those with the oldest events first. */
export async function generationsWithDeltas(
  sql: Executor,
): Promise<{ generation: bigint; deltas: number }[]> {
  return sql<{ generation: bigint; deltas: number }[]>`
    SELECT build AS generation, count(*)::int AS deltas FROM deltas GROUP BY build ORDER BY min(arrived_at)`;
}

export interface PendingDeltas {
  deltas: number;
  /** Of the one written last; null when none waits. */
  newest: bigint | null;
  /** Cells and distinct values in all of them. */
  weight: number;
  /** Since the arrival of the oldest event in them. */
  pendingMs: number;
}

/** All of them together. */
export async function pendingDeltas(sql: Executor): Promise<PendingDeltas> {
  const [row] = await sql<PendingDeltas[]>`
    SELECT count(*)::int AS deltas, max(id) AS newest, coalesce(sum(cells), 0)::float8 AS weight,
           coalesce(extract(epoch FROM now() - min(arrived_at)) * 1000, 0)::float8 AS "pendingMs" FROM deltas`;
  return row!;
}

/** Makes this transaction the only one that takes deltas of the generation; false when another is at it. */
export async function tryLockGeneration(tx: Transaction, generation: bigint): Promise<boolean> {
  const [row] = await tx<{ locked: boolean }[]>`SELECT pg_try_advisory_xact_lock(${generation}) AS locked`;
  return row!.locked;
}

/** Whether the generation has deltas that the transaction has not taken. */
export async function hasDeltas(tx: Transaction, generation: bigint): Promise<boolean> {
  const [row] = await tx<{ found: boolean }[]>`
    SELECT EXISTS (SELECT FROM deltas WHERE build = ${generation}) AS found`;
  return row!.found;
}

/** What one merge takes on at most: so many deltas, and no further one once they weigh, or are, so much. */
export interface MergeLimits {
  deltasMax: number;
  weightMax: number;
  /** Of the payloads, compressed. */
  bytesMax: number;
}

/** Takes the oldest deltas of the generation out of the table; at least one, if there is any. */
export async function takeDeltas(
  tx: Transaction,
  generation: bigint,
  { deltasMax, weightMax, bytesMax }: MergeLimits,
): Promise<StoredDelta[]> {
  return tx<StoredDelta[]>`
    DELETE FROM deltas WHERE id IN (
      SELECT id FROM (
        SELECT id, sum(cells) OVER (ORDER BY id) - cells AS weight_before, sum(bytes) OVER (ORDER BY id) - bytes AS bytes_before
        FROM (SELECT id, cells, octet_length(payload) AS bytes FROM deltas WHERE build = ${generation} ORDER BY id LIMIT ${deltasMax}) oldest
      ) running WHERE weight_before < ${weightMax} AND bytes_before < ${bytesMax})
    RETURNING id, payload, (extract(epoch FROM arrived_at) * 1000)::float8 AS arrived_ms`;
}
