import { zone } from './settings.ts';

/** An instant as the fields of a clock in the chosen zone, and back. */
export function localTime(instant: string, timeZone = zone.value): string {
  if (instant === '' || Number.isNaN(Date.parse(instant))) return '';
  const at = new Date(instant);
  return new Date(at.getTime() + offsetMs(at, timeZone)).toISOString().slice(0, 19);
}

export function instantOf(local: string, timeZone = zone.value): string {
  const ms = Date.parse(`${local}Z`);
  if (Number.isNaN(ms)) return '';
  const first = ms - offsetMs(new Date(ms), timeZone);
  return new Date(ms - offsetMs(new Date(first), timeZone)).toISOString();
}

/** How far the zone's clocks are ahead of UTC at this instant. */
function offsetMs(at: Date, timeZone: string): number {
  const fields = {
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  } as const;
  const parts = new Intl.DateTimeFormat('en-US', { ...fields, timeZone, hourCycle: 'h23' }).formatToParts(at);
  const part = (type: string) => Number(parts.find((one) => one.type === type)?.value);
  const local = Date.UTC(
    part('year'),
    part('month') - 1,
    part('day'),
    part('hour'),
    part('minute'),
    part('second'),
  );
  return local - Math.floor(at.getTime() / 1_000) * 1_000;
}
