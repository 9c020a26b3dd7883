import type { Sql, Transaction } from '../connection/connect.ts';
import { lockNotAvailable } from '../connection/sqlStates.ts';
import { lockRegistry } from './registry.ts';

/** Longest wait for running batches, in ms; shorter than any statement_timeout, which would end the wait less clearly. */
const registryLockMsMax = 5_000;

/** The registry's lock was not free in time; nothing was changed, and trying again is safe. */
export class MeterRegistryBusy extends Error {
  constructor(waitedMs: number, cause: unknown) {
    super(
      `Meters can't be changed now: a batch or another change held their lock for more than ${waitedMs} ms. Nothing was changed; try again.`,
      { cause },
    );
    this.name = 'MeterRegistryBusy';
  }
}

/**
 * Runs a change of the meters alone: no batch commits and no other change runs beside it. Every batch committed
 * before is seen by the statements in `change`, every later one sees the change. Throws MeterRegistryBusy after
 * `lockMsMax`.
 */
export async function changeMeters<T>(
  sql: Sql,
  change: (tx: Transaction) => Promise<T>,
  lockMsMax = registryLockMsMax,
): Promise<T> {
  try {
    return (await sql.begin(async (tx) => {
      await limitLockWait(tx, lockMsMax);
      await lockRegistry(tx);
      return await change(tx);
    })) as T;
  } catch (error) {
    if ((error as { code?: string }).code === lockNotAvailable) throw new MeterRegistryBusy(lockMsMax, error);
    throw error;
  }
}

async function limitLockWait(tx: Transaction, lockMsMax: number): Promise<void> {
  await tx`SELECT set_config('lock_timeout', ${`${lockMsMax}ms`}, true)`;
}
