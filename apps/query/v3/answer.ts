import type { UsageQuery } from '@usage/db/usage/context.ts';
import { formatDecimal } from '@usage/lib/decimal/decimal.ts';
import { formatTimeUs } from '@usage/lib/event/time.ts';
import type { AnswerRow } from '../meters/answer.ts';
import type { QueryRequest } from '../meters/params.ts';

/** OpenMeter's v3 MeterQueryResult: exact values as texts. */
export function toV3(request: QueryRequest, query: UsageQuery, rows: readonly AnswerRow[]) {
  return {
    ...(request.fromUs !== undefined && { from: formatTimeUs(request.fromUs) }),
    ...(request.toUs !== undefined && { to: formatTimeUs(request.toUs) }),
    data: rows.map(({ fromUs, toUs, subject, customerId, groups, value }) => ({
      value: formatDecimal(value),
      from: formatTimeUs(fromUs),
      to: formatTimeUs(toUs),
      dimensions: {
        ...(subject !== undefined && { subject }),
        ...(customerId !== undefined && { customer_id: customerId }),
        ...Object.fromEntries(query.groupBy.map((name, i) => [name, groups[i]!])),
      },
    })),
  };
}
