import { formatDecimal, toNumber } from '@usage/lib/decimal/decimal.ts';
import { formatTimeUs } from '@usage/lib/event/time.ts';
import type { Answer, Answered } from './service.ts';

/**
 * OpenMeter's MeterQueryResult. `value` is the nearest number; where a double can't hold the exact value, `valueExact`
 * has it as text.
 */
export function presentJson({ request, query, rows }: Answered): Answer {
  const answer = {
    ...(request.fromUs !== undefined && { from: formatTimeUs(request.fromUs) }),
    ...(request.toUs !== undefined && { to: formatTimeUs(request.toUs) }),
    ...(request.windowSize && { windowSize: request.windowSize }),
    data: rows.map(({ fromUs, toUs, subject, customerId, groups, isOther, value }) => {
      const { number, exact } = toNumber(value);
      return {
        value: number,
        ...(exact ? {} : { valueExact: formatDecimal(value) }),
        windowStart: formatTimeUs(fromUs),
        windowEnd: formatTimeUs(toUs),
        subject: subject ?? null,
        ...(customerId !== undefined && { customerId }),
        groupBy: isOther ? {} : Object.fromEntries(query.groupBy.map((name, i) => [name, groups[i]!])),
        ...(isOther && { other: true }),
      };
    }),
  };
  return { body: JSON.stringify(answer), headers: { 'Content-Type': 'application/json' } };
}
