import type { Executor, Transaction } from '../connection/connect.ts';
import { type Incarnation, incarnation } from '../connection/incarnation.ts';

/**
 * What every batch transaction must know for certain at its commit: which meters there are and which identity table is open.
 * A batch holds this lock shared while it commits; whoever makes, changes or deletes a meter, or closes an identity table,
 * holds it exclusively. So a batch is either wholly before such a change or has seen it.
 */
const registryLock = 0x75_73_61_67_65_01n; // "usage" 01

export interface Registry {
  version: bigint;
  /** Drawn anew with every change: names the state where a version could come twice (after a fail-over). */
  token: string;
  incarnation: Incarnation;
  /** The number of the identity table that takes new keys. */
  identityTable: number;
}

/** Takes the lock shared until the transaction ends and reads what it guards. */
export async function readRegistryShared(tx: Transaction): Promise<Registry> {
  const [, registry] = await Promise.all([
    tx`SELECT pg_advisory_xact_lock_shared(${registryLock})`.execute(),
    readRegistry(tx),
  ]);
  return registry;
}

export async function readRegistry(sql: Executor): Promise<Registry> {
  const [row] = await sql<Registry[]>`
    SELECT version, token, ${incarnation(sql)} AS incarnation,
           (SELECT number FROM identity_tables WHERE closed_at IS NULL) AS "identityTable"
    FROM meter_registry`;
  return row!;
}

/** Takes the lock exclusively until the transaction ends: waits for the batches that are committing. */
export async function lockRegistry(tx: Transaction): Promise<void> {
  await tx`SELECT pg_advisory_xact_lock(${registryLock})`;
}

/** Counts a change of the meters; the caller holds the lock exclusively. */
export async function bumpRegistryVersion(tx: Transaction): Promise<bigint> {
  const [row] = await tx<
    { version: bigint }[]
  >`UPDATE meter_registry SET version = version + 1, token = gen_random_uuid() RETURNING version`;
  return row!.version;
}
