import { epochRange, epochTime, isEpochText } from '@usage/lib/event/epochTime.ts';
import { timeIssue } from '@usage/lib/event/time.ts';
import { quoted, RowError } from './refusals.ts';

export interface TimeReading {
  /** IANA name or fixed offset for times that have no offset of their own. */
  zone: string;
  /** The order of 11/01/2026 and 01.11.2026; undefined: such times are refused. */
  dateOrder: 'dmy' | 'mdy' | undefined;
}

export interface ReadTime {
  /** RFC 3339. */
  text: string;
  /** It had no offset: the zone decided. */
  isLocal: boolean;
}

/** `2026-11-01`, then perhaps a time of day, then perhaps an offset or a name of UTC. */
const isoForm =
  /^(\d{4})-(\d\d)-(\d\d)(?:(?:[Tt]|[ _]+)(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?)?\s*(?:(Z|UTC|GMT)|([+-]\d\d)(?::?(\d\d))?)?$/i;
/** Go's time.String(): `+0200 CEST`, `+0000 UTC m=+0.01`. The offset decides, the name after it says the same again. */
const goTail = /([+-]\d{4}) (?:[A-Z]{2,5}|[+-]\d{2,4})(?: m=[+-][\d.]+)?$/;
const dayFirstForm =
  /^(\d{1,2})([./-])(\d{1,2})\2(\d{4})(?:,?\s+(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?\s*([AP]M)?)?$/i;
const excelDaysMax = 110_000;

/** The time of a cell as RFC 3339; throws a RowError that says how to write it, or which option is missing. */
export function readTime(cell: string, reading: TimeReading): ReadTime {
  const time = isEpochText(cell) ? fromEpoch(cell) : fromCalendar(cell, reading);
  const issue = timeIssue(time.text);
  if (issue !== undefined) throw new RowError(`the time ${quoted(cell)}: ${issue}`);
  return time;
}

function fromEpoch(cell: string): ReadTime {
  const text = epochTime(cell);
  if (text !== undefined) return { text, isLocal: false };
  const excel =
    Number(cell) < excelDaysMax
      ? ': is it a serial date of Excel? Format the column as yyyy-mm-dd hh:mm:ss'
      : '';
  throw new RowError(`the time ${quoted(cell)} is no number of ${epochRange}${excel}`);
}

function fromCalendar(cell: string, reading: TimeReading): ReadTime {
  const [
    year,
    month,
    day,
    hour = '00',
    minute = '00',
    second = '00',
    fraction,
    utc,
    offsetHours,
    offsetMinutes = '00',
  ] = partsOf(cell, reading.dateOrder);
  const clock = `${year}-${month}-${day}T${hour}:${minute}:${second}`;
  const text = `${clock}${fraction === undefined ? '' : `.${fraction}`}`;
  if (utc !== undefined) return { text: `${text}Z`, isLocal: false };
  if (offsetHours !== undefined) return { text: `${text}${offsetHours}:${offsetMinutes}`, isLocal: false };
  return { text: `${text}${offsetIn(reading.zone, clock, cell)}`, isLocal: true };
}

function partsOf(cell: string, order: TimeReading['dateOrder']): (string | undefined)[] {
  const iso = isoForm.exec(cell.replace(goTail, '$1'));
  if (iso) return iso.slice(1);
  const written = dayFirstForm.exec(cell);
  if (!written) {
    throw new RowError(
      `${quoted(cell)} is not a time such as 2026-11-01T10:00:00Z, 2026-11-01 10:00:00+02 or 1761523200: write it so`,
    );
  }
  if (order === undefined)
    throw new RowError(
      `${quoted(cell)}: say which comes first, the day or the month: --date-order dmy or mdy`,
    );
  const [, first, , second, year, hour, minute, seconds, fraction, half] = written;
  const [day, month] = order === 'dmy' ? [first, second] : [second, first];
  return [year, two(month), two(day), hourOf(hour, half, cell), minute, seconds, fraction];
}

function hourOf(hour: string | undefined, half: string | undefined, cell: string): string | undefined {
  if (hour === undefined || half === undefined) return two(hour);
  if (Number(hour) < 1 || Number(hour) > 12) throw new RowError(`${quoted(cell)}: no such time of day`);
  return String((Number(hour) % 12) + (half.toUpperCase() === 'PM' ? 12 : 0)).padStart(2, '0');
}

function two(digits: string | undefined): string | undefined {
  return digits?.padStart(2, '0');
}

let known = { zone: '', clock: '', offset: '' };

/** Of a wall clock in a zone; a time that the clock leaves out or shows twice is refused. */
function offsetIn(zone: string, clock: string, cell: string): string {
  if (zone === 'UTC') return 'Z';
  if (known.zone === zone && known.clock === clock) return known.offset;
  let offset: string;
  try {
    offset = Temporal.PlainDateTime.from(clock, { overflow: 'reject' }).toZonedDateTime(zone, {
      disambiguation: 'reject',
    }).offset;
  } catch {
    throw new RowError(
      `${quoted(cell)}: no time in ${zone} that is there once: the clock is changed then, or there is no such date; write its offset`,
    );
  }
  known = { zone, clock, offset };
  return offset;
}
