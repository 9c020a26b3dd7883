import type { Executor, Transaction } from './connect.ts';

export interface NewDelta {
  build: bigint;
  cells: number;
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
    FROM unnest(${deltas.map((d) => String(d.build))}::bigint[], ${deltas.map((d) => d.cells)}::int[],
                ${deltas.map((d) => d.arrivedMs)}::float8[], ${hex}::text[])
      AS d (build, cells, arrived_ms, payload)`;
}

export interface StoredDelta {
  id: bigint;
  payload: Buffer;
  arrived_ms: number;
}

/** Builds that have deltas, those waiting longest first. */
export async function buildsWithDeltas(
  sql: Executor,
): Promise<{ build: bigint; waiting_ms: number; deltas: number }[]> {
  return sql<{ build: bigint; waiting_ms: number; deltas: number }[]>`
    SELECT build, (extract(epoch FROM now() - min(arrived_at)) * 1000)::float8 AS waiting_ms, count(*)::int AS deltas
    FROM deltas GROUP BY build ORDER BY min(id)`;
}

/** All deltas that wait: the id of the one written last (undefined when there is none), and how many cells they hold. */
export async function waitingAltogether(
  sql: Executor,
): Promise<{ newest: bigint | undefined; cells: number }> {
  const [row] = await sql<{ newest: bigint | null; cells: number }[]>`
    SELECT max(id) AS newest, coalesce(sum(cells), 0)::float8 AS cells FROM deltas`;
  return { newest: row!.newest ?? undefined, cells: row!.cells };
}

/** Makes this transaction the only one that merges the build; false when another is at it. */
export async function tryLockBuild(tx: Transaction, build: bigint): Promise<boolean> {
  const [row] = await tx<{ locked: boolean }[]>`SELECT pg_try_advisory_xact_lock(${build}) AS locked`;
  return row!.locked;
}

/** What one merge takes on at most: so many deltas, and no further one once there are so many cells. */
export interface MergeLimits {
  deltasMax: number;
  cellsMax: number;
}

/** Takes the oldest deltas of the build out of the table; at least one, if there is any. */
export async function takeDeltas(
  tx: Transaction,
  build: bigint,
  { deltasMax, cellsMax }: MergeLimits,
): Promise<StoredDelta[]> {
  return tx<StoredDelta[]>`
    DELETE FROM deltas WHERE id IN (
      SELECT id FROM (
        SELECT id, sum(cells) OVER (ORDER BY id) - cells AS cells_before
        FROM (SELECT id, cells FROM deltas WHERE build = ${build} ORDER BY id LIMIT ${deltasMax}) oldest
      ) running WHERE cells_before < ${cellsMax})
    RETURNING id, payload, (extract(epoch FROM arrived_at) * 1000)::float8 AS arrived_ms`;
}
