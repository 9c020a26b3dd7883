import type { Transaction } from '../../connection/connect.ts';
import { uniqueTable } from '../../rollups/rollups.ts';
import { cellsOf, grainsOf, type UsagePieces, unionAll } from './pieces.ts';
import { keyOf, parameters, type UsageScope } from './rollupSums.ts';

/** A value that a level is set to (lib/cells/points.ts), by the scope's key. */
export interface SetPoint {
  key: string[];
  value: string;
}

/** Those of the pieces, and maybe some just outside of the cuts, in no order: at most `rowsMax`. */
export async function setPoints(
  tx: Transaction,
  scope: UsageScope,
  pieces: UsagePieces,
  rowsMax: number,
): Promise<SetPoint[]> {
  const found = grainsOf(pieces).map(
    (grain) => tx`SELECT series_id, value FROM ${cellsOf(tx, pieces, grain, uniqueTable(tx, grain))} u`,
  );
  if (found.length === 0) return [];
  return tx<SetPoint[]>`
    WITH ${parameters(tx, scope, pieces.cuts)}, found AS (${unionAll(tx, found)})
    SELECT s.key, f.value FROM found f JOIN (SELECT id, ${keyOf(tx, scope)} AS key FROM series) s ON s.id = f.series_id
    LIMIT ${rowsMax}`;
}
