import type { UsageQuery } from '@usage/db/usage/context.ts';
import { formatDecimal } from '@usage/lib/decimal/decimal.ts';
import { formatTimeUs } from '@usage/lib/event/time.ts';
import type { AnswerRow } from './answer.ts';

/**
 * OpenMeter's columns as RFC 4180 writes them. Values stand in full, where OpenMeter prints six decimals.
 * Texts that a spreadsheet would run as a formula are led by an apostrophe, as OWASP advises; numbers are left alone.
 *
 * `names` are the display names of subjects that have an entry; without any entry the column is left out.
 */
export function toCsv(
  query: UsageQuery,
  rows: readonly AnswerRow[],
  names: ReadonlyMap<string, string | undefined>,
): string {
  const named = query.groupBySubject && names.size > 0;
  const byCustomer = rows.some(({ customerId }) => customerId !== undefined);
  const header = [
    'window_start',
    'window_end',
    ...(query.groupBySubject ? ['subject'] : []),
    ...(named ? ['subject_display_name'] : []),
    ...(byCustomer ? ['customer_id'] : []),
    ...query.groupBy,
    'value',
  ];
  const lines = rows.map(({ fromUs, toUs, subject = '', customerId = '', groups, value }) => [
    formatTimeUs(fromUs),
    formatTimeUs(toUs),
    ...(query.groupBySubject ? [text(subject)] : []),
    ...(named ? [text(names.get(subject) ?? '')] : []),
    ...(byCustomer ? [customerId] : []),
    ...groups.map(text),
    formatDecimal(value),
  ]);
  return [header, ...lines].map((fields) => `${fields.join(',')}\r\n`).join('');
}

const formula = /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/;
const plainNumber = /^[+-]?\d+(?:\.\d+)?$/;
const special = /[",\r\n]/;

function text(value: string): string {
  const harmless = formula.test(value) && !plainNumber.test(value) ? `'${value}` : value;
  return special.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
