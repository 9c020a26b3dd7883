import { addBackfillKeys, holdBackfill } from '@usage/db/backfills/storing.ts';
import type { Transaction } from '@usage/db/connection/connect.ts';
import { copyEvents } from '@usage/db/events/events.ts';
import type { IdentityTables } from '@usage/db/events/identityTables.ts';
import { failPoint } from '@usage/lib/service/failPoint.ts';
import { contentOf, keyOf, type Row } from './batch.ts';
import { finishBatch } from './finishBatch.ts';
import { type BackfillName, type Plan, type Stored, without } from './prepared.ts';
import { CopyBuffers } from './reading/copyBuffers.ts';
import type { Remembered } from './remembered.ts';

/** The rows can't be stored under their backfill: it takes no more. Nothing of the transaction was committed. */
export class BackfillOver extends Error {
  constructor(
    readonly rows: readonly Row[],
    reason: string,
  ) {
    super(reason);
  }

  /** They become dead letters; the others of the batch are there already. */
  refuseIn(outcome: Stored, all: readonly Row[]): void {
    outcome.refused.push(...this.rows.map((row) => ({ row, reason: this.message })));
    outcome.duplicates.push(...without(all, this.rows));
  }
}

/** Rows that were sent under backfills, by backfill; and all others. */
export function apartFromBackfills(rows: Row[]): { rows: Row[]; ofBackfills: Row[][] } {
  if (!rows.some(({ backfill }) => backfill !== undefined)) return { rows, ofBackfills: [] };
  const byName = new Map<string, Row[]>();
  const others: Row[] = [];
  for (const row of rows) {
    if (row.backfill === undefined) {
      others.push(row);
      continue;
    }
    const name = `${contentOf(row).namespace}\0${row.backfill}`;
    const ofName = byName.get(name);
    if (ofName) ofName.push(row);
    else byName.set(name, [row]);
  }
  return { rows: others, ofBackfills: [...byName.values()] };
}

/** The backfill that all of the rows are of, if it is one. */
export function backfillOf([row]: readonly Row[]): BackfillName | undefined {
  if (row?.backfill === undefined) return undefined;
  return { namespace: contentOf(row).namespace, id: row.backfill };
}

/**
 * Stores the rows of a batch that is of one backfill, which stays open until the transaction ends; returns those that are new in
 * it. Throws BackfillOver where it is not open, and there are such rows. They add nothing to the meters: who closes the backfill
 * marks their minutes stale.
 */
export async function writeOfBackfill(
  tx: Transaction,
  remembered: Remembered,
  processor: string,
  { plan, tables }: { plan: Plan; tables: IdentityTables },
): Promise<Row[]> {
  const { number, added } = await addToBackfill(tx, plan.backfill!, plan.rows);
  if (added.length > 0) {
    const buffers = new CopyBuffers();
    buffers.begin(plan.batchId.id);
    for (const row of added) buffers.add(row);
    await copyEvents(tx, buffers.events());
  }
  failPoint('backfill-after-copy');
  const written = { plan, tables, added, stored: added, backfill: number };
  await finishBatch(tx, remembered, processor, written);
  return added;
}

/** Adds the rows' identities, which are in the order of their keys; returns the rows that are new. */
async function addToBackfill(
  tx: Transaction,
  { namespace, id }: BackfillName,
  rows: readonly Row[],
): Promise<{ number: bigint; added: Row[] }> {
  const backfill = await holdBackfill(tx, namespace, id);
  if (!backfill) throw new BackfillOver(rows, `there is no backfill ${id}`);
  const keys = rows.map((row) => ({ key: keyOf(row), ...contentOf(row) }));
  const isAdded = new Set(await addBackfillKeys(tx, backfill.number, keys));
  const added = rows.filter((_, n) => isAdded.delete(keys[n]!.key));
  if (added.length > 0 && !backfill.isOpen)
    throw new BackfillOver(added, `the backfill ${id} was closed or reverted before the event was stored`);
  return { number: backfill.number, added };
}
