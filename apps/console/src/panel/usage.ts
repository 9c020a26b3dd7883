import { dayMs } from '@usage/lib/windows/units.ts';
import type { operations } from '../../generated/api.d.ts';

/** What the panel asks of the API with a portal token, and how it lies by day. */
type Answer = operations['queryPortalMeter']['responses'][200]['content']['application/json'];
export type UsageRow = Answer['data'][number];

export interface UsageQuestion {
  origin: string;
  meter: string;
  token: string;
  days: number;
  groupBy: string | undefined;
  zone: string;
}

/** The rows of the last days, up to now. Throws an Error with the `status` of an answer that is none. */
export async function rowsOf(question: UsageQuestion, signal: AbortSignal): Promise<UsageRow[]> {
  const { origin, meter, token, days, groupBy, zone } = question;
  const from = new Date(Date.now() - days * dayMs);
  from.setUTCMinutes(0, 0, 0);
  const query = new URLSearchParams({ windowSize: 'DAY', windowTimeZone: zone, from: from.toISOString() });
  if (groupBy) query.append('groupBy', groupBy);
  const response = await fetch(`${origin}/api/v1/portal/meters/${encodeURIComponent(meter)}/query?${query}`, {
    headers: { Authorization: `Bearer ${token}` },
    credentials: 'omit',
    signal,
  });
  if (!response.ok)
    throw Object.assign(new Error(`the API answered ${response.status}`), { status: response.status });
  return ((await response.json()) as { data: UsageRow[] }).data;
}

export interface Day {
  name: string;
  short: string;
  /** For drawing. */
  total: number;
  parts: { group: string; value: number; exact: string }[];
}

/** Days in their order with what each group used; groups by size, the largest first. */
export function windowOf(rows: readonly UsageRow[], { locale, zone }: { locale: string; zone: string }) {
  const long = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeZone: zone });
  const short = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', timeZone: zone });
  const number = new Intl.NumberFormat(locale, { maximumFractionDigits: 20 });
  const days = new Map<string, Day>();
  const sizes = new Map<string, number>();
  for (const { value, valueExact, windowStart, groupBy } of rows) {
    const at = new Date(windowStart);
    const day = days.get(windowStart) ?? {
      name: long.format(at),
      short: short.format(at),
      total: 0,
      parts: [],
    };
    days.set(windowStart, day);
    const group = Object.values(groupBy ?? {}).join(' · ');
    day.total += value;
    // A text that holds a decimal is formatted as it is, not as the nearest double.
    day.parts.push({ group, value, exact: number.format((valueExact ?? String(value)) as `${number}`) });
    sizes.set(group, (sizes.get(group) ?? 0) + Math.abs(value));
  }
  const sorted = [...days].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, day]) => day);
  const groups = [...sizes].sort(([, a], [, b]) => b - a).map(([group]) => group);
  return { days: sorted, groups };
}
