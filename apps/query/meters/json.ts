import { formatDecimal, toNumber } from '@usage/lib/decimal/decimal.ts';
import { formatTimeUs } from '@usage/lib/event/time.ts';
import type { AnswerRow } from './answer.ts';
import type { Answer, Answered } from './service.ts';

/**
 * OpenMeter's MeterQueryResult. `value` is the nearest number; where a double can't hold the exact value, `valueExact`
 * has it as text.
 */
export function presentJson({ request, query, rows, nextCursor }: Answered): Answer {
  const answer = {
    ...(request.fromUs !== undefined && { from: formatTimeUs(request.fromUs) }),
    ...(request.toUs !== undefined && { to: formatTimeUs(request.toUs) }),
    ...(request.windowSize && { windowSize: request.windowSize }),
    ...(nextCursor !== undefined && { nextCursor }),
    data: rows.map((row) => wireRow(row, query.groupBy)),
  };
  return { body: JSON.stringify(answer), headers: { 'Content-Type': 'application/json' } };
}

/** The rows of presentJson, one a line. */
export function presentNdjson({ meter, query, rows }: Answered): Answer {
  return {
    body: rows.map((row) => `${JSON.stringify(wireRow(row, query.groupBy))}\n`).join(''),
    headers: {
      'Content-Type': 'application/x-ndjson',
      'Content-Disposition': `attachment; filename="${meter.slug}.ndjson"`,
    },
  };
}

function wireRow(row: AnswerRow, groupBy: readonly string[]) {
  const { fromUs, toUs, subject, customerId, groups, isOther, value } = row;
  const { number, exact } = toNumber(value);
  return {
    value: number,
    ...(exact ? {} : { valueExact: formatDecimal(value) }),
    windowStart: formatTimeUs(fromUs),
    windowEnd: formatTimeUs(toUs),
    subject: subject ?? null,
    ...(customerId !== undefined && { customerId }),
    groupBy: isOther ? {} : Object.fromEntries(groupBy.map((name, i) => [name, groups[i]!])),
    ...(isOther && { other: true }),
  };
}
