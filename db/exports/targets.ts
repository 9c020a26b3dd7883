import type { Executor, Sql } from '../connection/connect.ts';

const leaseSeconds = 300;

/** Takes the lease of a target, or renews it; false where another exporter has it. */
export async function leaseTarget(sql: Sql, target: string, owner: string): Promise<boolean> {
  const rows = await sql`
    INSERT INTO export_targets AS t (target, owner, leased_until)
    VALUES (${target}, ${owner}, now() + make_interval(secs => ${leaseSeconds}))
    ON CONFLICT (target) DO UPDATE SET owner = ${owner}, leased_until = now() + make_interval(secs => ${leaseSeconds})
    WHERE t.owner = ${owner} OR t.leased_until < now()
    RETURNING target`;
  return rows.length === 1;
}

export async function releaseTarget(sql: Sql, target: string, owner: string): Promise<void> {
  await sql`UPDATE export_targets SET leased_until = '-infinity' WHERE target = ${target} AND owner = ${owner}`;
}

/** Locks the target's row; false where the lease is another's by now: nothing may be written then. */
export async function holdsLease(tx: Executor, target: string, owner: string): Promise<boolean> {
  const rows = await tx`SELECT FROM export_targets WHERE target = ${target} AND owner = ${owner} FOR UPDATE`;
  return rows.length === 1;
}

/** Number of runs that were planned so far: the newest one's number. */
export async function runsOf(sql: Executor, target: string): Promise<number> {
  const [row] = await sql<{ runs: number }[]>`
    SELECT runs::float8 AS runs FROM export_targets WHERE target = ${target}`;
  return row?.runs ?? 0;
}
