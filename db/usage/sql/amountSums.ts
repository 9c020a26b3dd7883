import { readDecimal } from '@usage/lib/decimal/decimal.ts';
import type { Executor } from '../../connection/connect.ts';
import { rollupTable } from '../../rollups/rollups.ts';
import { bucketOfRow, cellsOf, grainsOf, type UsagePieces, unionAll } from './pieces.ts';
import { parameters, type UsageScope } from './rollupSums.ts';
import type { UsageRow } from './summedColumns.ts';

/** Column by column, as in rollupSums.ts. */
interface AmountColumns {
  /** Left out where there is one. */
  bucket?: number[];
  subject: string[] | null;
  groups: string[][];
  amount: (number | string)[];
}

/**
 * What events of a SUM or COUNT meter add up to, for thousands of series at once: by subject and bucket, without what else
 * sumRollups knows of them. A row a series and bucket: rows of one key may be several. First and last times are 0.
 */
export async function sumAmounts(
  tx: Executor,
  scope: UsageScope,
  aggregation: 'SUM' | 'COUNT',
  pieces: UsagePieces,
  rowsMax: number,
): Promise<UsageRow[]> {
  const amount = aggregation === 'SUM' ? tx`sum(value)` : tx`sum(count)`;
  const sums = grainsOf(pieces).map(
    (grain) => tx`
      SELECT series_id, ${bucketOfRow(tx, pieces, grain)} AS bucket, ${amount} AS amount
      FROM ${cellsOf(tx, pieces, grain, rollupTable(tx, grain))} cells GROUP BY series_id, bucket`,
  );
  if (sums.length === 0) return [];
  const buckets = pieces.cuts.length > 2 ? tx`'bucket', json_agg(bucket),` : tx``;
  const groups = scope.groupByIndexes.map((index) => tx`json_agg(group_values[${index + 1}::int])`);
  const listed = groups.reduce((all, one, i) => (i === 0 ? one : tx`${all}, ${one}`), tx``);
  const [found] = await tx<{ columns: AmountColumns }[]>`
    WITH ${parameters(tx, scope, pieces.cuts)},
    summed AS (${unionAll(tx, sums)}),
    answer AS (
      SELECT series_id, bucket, sum(amount)${aggregation === 'SUM' ? tx`::text` : tx``} AS amount FROM summed
      WHERE bucket > 0 AND bucket < ${pieces.cuts.length} GROUP BY series_id, bucket LIMIT ${rowsMax})
    SELECT json_build_object(${buckets} 'subject', json_agg(subject), 'groups', json_build_array(${listed}), 'amount', json_agg(amount)) AS columns
    FROM answer JOIN series s ON s.id = series_id`;
  const { bucket, subject, groups: values, amount: amounts } = found!.columns;
  return (subject ?? []).map((name, i) => ({
    bucket: bucket?.[i] ?? 1,
    key: [name, ...values.map((value) => value[i]!)],
    count: aggregation === 'COUNT' ? (amounts[i] as number) : 0,
    value: aggregation === 'SUM' ? readDecimal(amounts[i] as string) : undefined,
    firstUs: 0,
    lastUs: 0,
    sketch: undefined,
    moment: undefined,
  }));
}
