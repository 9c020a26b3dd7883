import { zone } from './settings.ts';

/** Numbers and times in the reader's locale. Exact decimals are texts and never go through a double. */
const locale = navigator.languages?.[0] ?? 'en';
const exact = new Intl.NumberFormat(locale, { maximumFractionDigits: 20 });
const compact = new Intl.NumberFormat(locale, { notation: 'compact', maximumFractionDigits: 1 });
const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
const percent = new Intl.NumberFormat(locale, {
  style: 'percent',
  maximumFractionDigits: 1,
  signDisplay: 'exceptZero',
});
const digitsMax = 60;
const fractionDigitsMax = 20;

/** Every digit of a decimal text, grouped as the reader is used to. */
export function exactNumber(text: string): string {
  const fraction = /\.(\d+)/.exec(text)?.[1] ?? '';
  if (text.length > digitsMax || fraction.length > fractionDigitsMax || /e/i.test(text)) return text;
  return exact.format(text as `${number}`);
}

export function shortNumber(value: number): string {
  return Math.abs(value) < 10_000 ? exact.format(Number(value.toPrecision(6))) : compact.format(value);
}

export function wholeNumber(value: number): string {
  return whole.format(value);
}

export function change(now: number, before: number): string {
  return before === 0 ? '' : percent.format((now - before) / Math.abs(before));
}

/** Events a second, from a count and the seconds it was counted over. */
export function rate(count: number, seconds: number): string {
  const value = count / seconds;
  return value > 0 && value < 1
    ? exact.format(Number(value.toPrecision(2)))
    : shortNumber(Math.round(value * 10) / 10);
}

const formats = new Map<string, Intl.DateTimeFormat>();
function formatOf(options: Intl.DateTimeFormatOptions, timeZone: string): Intl.DateTimeFormat {
  const key = `${timeZone} ${JSON.stringify(options)}`;
  let format = formats.get(key);
  if (!format) {
    format = new Intl.DateTimeFormat(locale, { ...options, timeZone });
    formats.set(key, format);
  }
  return format;
}

const day = { year: 'numeric', month: 'short', day: 'numeric' } as const;
const clock = { hour: '2-digit', minute: '2-digit', second: '2-digit' } as const;

export function dateTime(time: string | number | Date, timeZone = zone.value): string {
  return formatOf({ ...day, ...clock }, timeZone).format(new Date(time));
}

/** With milliseconds and the zone's name: for titles and details. */
export function fullTime(time: string | number | Date, timeZone = zone.value): string {
  return formatOf({ ...day, ...clock, fractionalSecondDigits: 3, timeZoneName: 'short' }, timeZone).format(
    new Date(time),
  );
}

export function clockTime(time: string | number | Date, timeZone = zone.value): string {
  return formatOf({ ...clock, fractionalSecondDigits: 3 }, timeZone).format(new Date(time));
}

export function date(time: string | number | Date, timeZone = zone.value): string {
  return formatOf(day, timeZone).format(new Date(time));
}

/** A window's name: as much of its time as its size has. */
export function windowName(time: string | number | Date, size: string | undefined, timeZone: string): string {
  const at = new Date(time);
  if (size === 'YEAR') return formatOf({ year: 'numeric' }, timeZone).format(at);
  if (size === 'MONTH' || size === 'QUARTER')
    return formatOf({ year: 'numeric', month: 'short' }, timeZone).format(at);
  if (size === 'DAY' || size === 'WEEK') return formatOf({ ...day, weekday: 'short' }, timeZone).format(at);
  return formatOf({ month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' }, timeZone).format(
    at,
  );
}

/** A tick of a time axis: the clock, or the day where it begins; the year where it is another one than the tick before. */
export function tickText(ms: number, beforeMs: number, timeZone: string): string {
  const at = new Date(ms);
  const clock = formatOf({ hour: '2-digit', minute: '2-digit' }, timeZone).format(at);
  const dayText = formatOf({ month: 'short', day: 'numeric' }, timeZone).format(at);
  const isFirst = Number.isNaN(beforeMs);
  const isOtherDay =
    isFirst || dayText !== formatOf({ month: 'short', day: 'numeric' }, timeZone).format(new Date(beforeMs));
  if (/^0?0:00$|^24:00$|^12:00\sAM$/.test(clock)) return dayText;
  return isOtherDay ? `${clock}\n${dayText}` : clock;
}

/** What the zone is called on that day, like GMT+1. */
export function zoneShort(timeZone: string, at = new Date()): string {
  const parts = formatOf({ timeZoneName: 'short' }, timeZone).formatToParts(at);
  return parts.find(({ type }) => type === 'timeZoneName')?.value ?? timeZone;
}

const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' });
const units = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
] as const;

export function ago(time: string | number | Date, nowMs = Date.now()): string {
  const seconds = Math.round((new Date(time).getTime() - nowMs) / 1_000);
  for (const [unit, size] of units) {
    if (Math.abs(seconds) >= size) return relative.format(Math.trunc(seconds / size), unit);
  }
  return relative.format(0, 'second');
}

export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 60_000) return `${exact.format(Math.round(ms / 100) / 10)} s`;
  if (ms < 3_600_000) return `${exact.format(Math.round(ms / 6_000) / 10)} min`;
  return `${exact.format(Math.round(ms / 360_000) / 10)} h`;
}

export function bytes(count: number): string {
  if (count < 1_024) return `${count} B`;
  if (count < 1_048_576) return `${exact.format(Math.round(count / 102.4) / 10)} kB`;
  return `${exact.format(Math.round(count / 104_857.6) / 10)} MB`;
}
