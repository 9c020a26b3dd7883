import { formatDecimal, toNumber } from '@usage/lib/decimal/decimal.ts';
import { type Column, columnDataOf, type Row, schemaOf } from '@usage/lib/parquet/columns.ts';
import { parquetWriteBuffer } from 'hyparquet-writer';
import type { Answer, Answered } from './service.ts';

/**
 * The columns of the CSV, but for display names; `value` is the nearest double, `value_exact` the exact value. A group that is
 * called like one of the other columns is called group_… here.
 */
export function presentParquet({ meter, request, query, rows }: Answered): Answer {
  const byCustomer = request.customerIds !== undefined;
  const hasOther = request.topN !== undefined;
  const columns: Column[] = [
    { name: 'window_start', type: 'time' },
    { name: 'window_end', type: 'time' },
    ...(query.groupBySubject ? [{ name: 'subject', type: 'text', nullable: true } as const] : []),
    ...(byCustomer ? [{ name: 'customer_id', type: 'text' } as const] : []),
    ...query.groupBy.map((name) => ({ name: groupColumn(name), type: 'text', nullable: true }) as const),
    ...(hasOther ? [{ name: 'other', type: 'boolean' } as const] : []),
    { name: 'value', type: 'double' },
    { name: 'value_exact', type: 'text' },
  ];
  const cells = rows.map(
    ({ fromUs, toUs, subject, customerId, groups, isOther, value }): Row => [
      fromUs,
      toUs,
      ...(query.groupBySubject ? [subject ?? null] : []),
      ...(byCustomer ? [customerId ?? ''] : []),
      ...(isOther ? query.groupBy.map(() => null) : groups),
      ...(hasOther ? [isOther ?? false] : []),
      toNumber(value).number,
      formatDecimal(value),
    ],
  );
  return {
    body: new Uint8Array(
      parquetWriteBuffer({ columnData: columnDataOf(columns, cells), schema: schemaOf(columns) }),
    ),
    headers: {
      'Content-Type': 'application/vnd.apache.parquet',
      'Content-Disposition': `attachment; filename="${meter.slug}.parquet"`,
    },
  };
}

const ownColumns = new Set([
  ...['window_start', 'window_end', 'subject', 'customer_id', 'other', 'value', 'value_exact'],
]);

function groupColumn(name: string): string {
  return ownColumns.has(name) ? `group_${name}` : name;
}
