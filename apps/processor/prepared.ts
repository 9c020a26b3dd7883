import type { Row } from './batch.ts';
import type { BatchId } from './batchIds.ts';
import type { Extent } from './extent.ts';
import type { Contribution, MeterSet } from './meters.ts';
import type { CopyBuffer } from './reading/tuples.ts';

/** How a batch is stored: see store.ts. */
export type Way = 'straight' | 'sought' | 'late';

export interface Stored {
  stored: number;
  duplicates: Row[];
  /** Rows that PostgreSQL refuses, each with the reason. */
  refused: { row: Row; reason: string }[];
}

/** A batch with what can be worked out before its transaction: encoded while the one before is being stored. */
export interface Prepared {
  rows: Row[];
  extent: Extent;
  batchId: BatchId;
  straight: CopyBuffer;
  /** Rows to be looked for before they are copied. */
  suspects: Row[];
  meters: MeterSet;
  /** Of the straight rows. */
  contribution: Contribution;
  /** How often storing it was waited for in vain. */
  vainWaits: number;
}

/** To store a batch: what it has come to until now. */
export interface Attempt {
  outcome: Stored;
  vainWaits: number;
  /** How often it was begun anew because the database is another one. */
  restarts: number;
}

/** A transaction whose rows are in place. */
export interface Unfinished {
  rows: Row[];
  extent: Extent;
  duplicates: Row[];
  batchId: BatchId;
  meters: MeterSet;
  contribution: Contribution;
  way: Way;
}

export class Overtaken extends Error {}

/** The batch's id is of another incarnation of the database than the transaction: after a fail-over or a restart. */
export class OtherIncarnation extends Error {}
