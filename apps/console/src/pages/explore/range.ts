import { type WindowSize, windowSizes, windowUsTypical } from '@usage/lib/windows/sizes.ts';
import { dayMs, hourMs } from '@usage/lib/windows/units.ts';
import { instantOf, localTime } from '../../app/clock.ts';

export const rangeNames = ['1h', '24h', '7d', '30d', '90d', '12m', 'custom'] as const;
export type RangeName = (typeof rangeNames)[number];

/** RFC 3339; `from` inclusive, `to` exclusive. */
export interface Range {
  from: string;
  to: string;
}

/** With more windows a chart says nothing and an answer is refused. */
const windowsWanted = 400;

const lengths: Record<Exclude<RangeName, 'custom'>, { ms: number; months: number }> = {
  '1h': { ms: hourMs, months: 0 },
  '24h': { ms: dayMs, months: 0 },
  '7d': { ms: 7 * dayMs, months: 0 },
  '30d': { ms: 30 * dayMs, months: 0 },
  '90d': { ms: 90 * dayMs, months: 0 },
  '12m': { ms: 0, months: 12 },
};

/** What a window is called beside “by”. */
export const windowLabels: Record<WindowSize, string> = {
  MINUTE: 'minute',
  PT5M: '5 minutes',
  PT15M: '15 minutes',
  PT30M: '30 minutes',
  HOUR: 'hour',
  PT3H: '3 hours',
  PT6H: '6 hours',
  PT12H: '12 hours',
  DAY: 'day',
  WEEK: 'week',
  MONTH: 'month',
  QUARTER: 'quarter',
  YEAR: 'year',
};

/** The window that suits a range where none is chosen. */
export function windowFor(name: RangeName, custom: Partial<Range>): WindowSize {
  if (name !== 'custom')
    return (
      { '1h': 'MINUTE', '24h': 'HOUR', '7d': 'DAY', '30d': 'DAY', '90d': 'DAY', '12m': 'MONTH' } as const
    )[name];
  const ms = Date.parse(custom.to ?? '') - Date.parse(custom.from ?? '');
  if (ms <= 3 * hourMs) return 'MINUTE';
  if (ms <= 4 * dayMs) return 'HOUR';
  return ms <= windowsWanted * dayMs ? 'DAY' : 'MONTH';
}

/** Windows that are worth offering: not thousands of them. */
export function windowsFor({ from, to }: Range): WindowSize[] {
  const ms = Date.parse(to) - Date.parse(from);
  return windowSizes.filter((size) => ms / windowMs(size) <= 5_000);
}

/** Up to the end of the window that now lies in, by the clock of the zone. */
export function rangeOf(
  name: RangeName,
  window: WindowSize,
  zone: string,
  nowMs: number,
  custom: Partial<Range>,
): Range {
  if (name === 'custom' && custom.from && custom.to) return { from: custom.from, to: custom.to };
  const { ms, months } = lengths[name === 'custom' ? '7d' : name];
  // A clock's fields are reckoned with as if they were UTC.
  const clock = Date.parse(`${localTime(new Date(nowMs).toISOString(), zone)}Z`);
  const end = ceiling(clock, months > 0 ? 'MONTH' : coarser(window, ms));
  const begin = months > 0 ? addMonths(end, -months) : end - ms;
  return { from: toInstant(begin, zone), to: toInstant(end, zone) };
}

/** The time of the same length before. Of months, the same months before. */
export function rangeBefore({ from, to }: Range, name: RangeName, zone: string): Range {
  const [begin, end] = [clockOf(from, zone), clockOf(to, zone)];
  const before = name === '12m' ? addMonths(begin, -12) : begin - (end - begin);
  return { from: toInstant(before, zone), to: from };
}

/** What the range ends with: a day where the window is one or longer, an hour where the range is one of days. */
function coarser(window: WindowSize, ms: number): WindowSize {
  if (windowMs(window) >= dayMs) return 'DAY';
  return ms > 2 * dayMs ? 'HOUR' : window;
}

function ceiling(clock: number, size: WindowSize): number {
  if (size !== 'MONTH') return Math.ceil((clock + 1) / windowMs(size)) * windowMs(size);
  const at = new Date(clock);
  return Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1, 1);
}

function addMonths(clock: number, months: number): number {
  const at = new Date(clock);
  return Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + months, at.getUTCDate());
}

function clockOf(instant: string, zone: string): number {
  return Date.parse(`${localTime(instant, zone)}Z`);
}

function toInstant(clock: number, zone: string): string {
  return instantOf(new Date(clock).toISOString().slice(0, 19), zone);
}

/** How long a window is where the clock is left alone. */
function windowMs(size: WindowSize): number {
  return windowUsTypical[size] / 1_000;
}
