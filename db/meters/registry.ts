import type { Executor, Transaction } from '../connection/connect.ts';
import { type Incarnation, incarnation } from '../connection/incarnation.ts';

/**
 * What every batch transaction must know for certain at its commit: which meters there are and which periods are open.
 * A batch holds this lock shared while it commits; whoever makes, changes or deletes a meter, or opens a period, holds
 * it exclusively. So a batch is either wholly before such a change or has seen it.
 */
const registryLock = 0x75_73_61_67_65_01n; // "usage" 01

/** Held by batches that must not run beside those of the neighbouring period (apps/processor/partition.ts). */
const boundaryLock = 0x75_73_61_67_65_02n;

export interface Registry {
  version: bigint;
  /** Drawn anew with every change: names the state where a version could come twice (after a fail-over). */
  token: string;
  incarnation: Incarnation;
  /** Days since 1970 of the newest open period; undefined while there is none. */
  newestPeriod: number | undefined;
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
  const [row] = await sql<(Omit<Registry, 'newestPeriod'> & { newest_period: number | null })[]>`
    SELECT version, token, ${incarnation(sql)} AS incarnation,
           (SELECT max(period) - DATE '1970-01-01' FROM periods) AS newest_period
    FROM meter_registry`;
  const { newest_period: newestPeriod, ...registry } = row!;
  return { ...registry, newestPeriod: newestPeriod ?? undefined };
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

export async function lockBoundary(tx: Transaction, mode: 'shared' | 'exclusive'): Promise<void> {
  if (mode === 'shared') await tx`SELECT pg_advisory_xact_lock_shared(${boundaryLock})`;
  else await tx`SELECT pg_advisory_xact_lock(${boundaryLock})`;
}
