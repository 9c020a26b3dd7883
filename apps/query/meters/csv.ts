import { formatDecimal } from '@usage/lib/decimal/decimal.ts';
import { formatTimeUs } from '@usage/lib/event/time.ts';
import type { Answer, Answered } from './service.ts';

/** OpenMeter's columns of v1. `subject_display_name` is left out where no subject has an entry. */
export async function presentCsv(answered: Answered): Promise<Answer> {
  const { query, rows } = answered;
  const names = await answered.subjectNames();
  const named = query.groupBySubject && names.size > 0;
  const byCustomer = rows.some(({ customerId }) => customerId !== undefined);
  const hasOther = answered.request.topN !== undefined;
  const header = [
    'window_start',
    'window_end',
    ...(query.groupBySubject ? ['subject'] : []),
    ...(named ? ['subject_display_name'] : []),
    ...(byCustomer ? ['customer_id'] : []),
    ...query.groupBy,
    ...(hasOther ? ['other'] : []),
    'value',
  ];
  const lines = rows.map(({ fromUs, toUs, subject = '', customerId = '', groups, isOther, value }) => [
    formatTimeUs(fromUs),
    formatTimeUs(toUs),
    ...(query.groupBySubject ? [text(subject)] : []),
    ...(named ? [text(names.get(subject) ?? '')] : []),
    ...(byCustomer ? [customerId] : []),
    ...(isOther ? query.groupBy.map(() => '') : groups.map(text)),
    ...(hasOther ? [String(isOther ?? false)] : []),
    formatDecimal(value),
  ]);
  return table(answered, header, lines);
}

/** OpenMeter's columns of v3. */
export function presentV3Csv(answered: Answered): Answer {
  const { query, rows } = answered;
  const header = ['from', 'to', ...(query.groupBySubject ? ['subject'] : []), ...query.groupBy, 'value'];
  const lines = rows.map(({ fromUs, toUs, subject = '', groups, value }) => [
    formatTimeUs(fromUs),
    formatTimeUs(toUs),
    ...(query.groupBySubject ? [text(subject)] : []),
    ...groups.map(text),
    formatDecimal(value),
  ]);
  return table(answered, header, lines);
}

/**
 * As RFC 4180 writes it. Values stand in full, where OpenMeter prints six decimals. Texts that a spreadsheet would run as
 * a formula are led by an apostrophe, as OWASP advises; numbers are left alone.
 */
function table(
  { meter }: Answered,
  header: readonly string[],
  lines: readonly (readonly string[])[],
): Answer {
  return {
    body: [header, ...lines].map((fields) => `${fields.join(',')}\r\n`).join(''),
    headers: {
      'Content-Type': 'text/csv',
      'Content-Disposition': `attachment; filename="${meter.slug}.csv"`,
    },
  };
}

const formula = /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/;
const plainNumber = /^[+-]?\d+(?:\.\d+)?$/;
const special = /[",\r\n]/;

function text(value: string): string {
  const harmless = formula.test(value) && !plainNumber.test(value) ? `'${value}` : value;
  return special.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
