import type { Row } from './batch.ts';
import type { BatchId } from './batchIds.ts';
import type { Contribution, MeterSet } from './meters.ts';
import type { CopyBuffers } from './reading/copyBuffers.ts';

export interface Stored {
  stored: number;
  duplicates: Row[];
  /** Rows that PostgreSQL refuses, each with the reason. */
  refused: { row: Row; reason: string }[];
}

/** What is to be stored in one transaction. */
export interface Plan {
  rows: Row[];
  extent: Extent;
  batchId: BatchId;
  /** Rows that are most likely new, encoded: copied. */
  fresh: CopyBuffers | undefined;
  /** Rows that may be stored already: their keys are added one by one. */
  doubtful: Row[];
  meters: MeterSet;
  /** Of the fresh rows. */
  contribution: Contribution;
  /** All rows are of this backfill. */
  backfill?: BackfillName | undefined;
}

export interface BackfillName {
  namespace: string;
  id: string;
}

/** A batch with what can be worked out before its transaction: encoded while the one before is being stored. */
export interface Prepared {
  /** Of no backfill. */
  rows: Row[];
  /** Of each backfill, stored in transactions of their own. */
  ofBackfills: Row[][];
  /** The fast path; undefined once it has failed. */
  plan: Plan | undefined;
  /** How often there was no answer to storing it in time. */
  attempts: number;
  /** How often a constraint was violated that no duplicate explains. */
  violations: number;
  /** Batches whose commit was sent, answered or not, with the rows that they store. */
  sent: Map<bigint, Row[]>;
}

/** To store a batch: what it has come to until now. */
export interface Attempt {
  prepared: Prepared;
  outcome: Stored;
  /** How often it was begun anew because the database, or the open identity table, is another one. */
  restarts: number;
}

/** What has to be known of rows as a whole. */
export interface Extent {
  fromMs: number;
  toMs: number;
  /** Of arrival, since 1970. */
  days: number[];
}

const dayMs = 86_400_000;

export function extentOf(rows: readonly Row[]): Extent {
  let fromMs = Number.POSITIVE_INFINITY;
  let toMs = 0;
  const days = new Set<number>();
  for (const { arrivedMs } of rows) {
    if (arrivedMs < fromMs) fromMs = arrivedMs;
    if (arrivedMs > toMs) toMs = arrivedMs;
    days.add(Math.floor(arrivedMs / dayMs));
  }
  return { fromMs, toMs, days: [...days] };
}

/** What the batch was prepared with is not so any more: another incarnation of the database, or another open identity table. */
export class Outdated extends Error {}

/** A row that was taken for new is stored already. */
export class NotFresh extends Error {}

/** The rows, but for these. */
export function without(rows: readonly Row[], left: readonly Row[]): Row[] {
  const leftOut = new Set(left);
  return rows.filter((row) => !leftOut.has(row));
}
