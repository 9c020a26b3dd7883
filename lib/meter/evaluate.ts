import { type Decimal, decimalOfNumber, formatDecimal, parseDecimal } from '../decimal/decimal.ts';
import { groupByNames, keptValues, type Meter } from './meter.ts';
import { compilePath, firstMember, type Lookup } from './path.ts';

/**
 * What one event's data comes to for one meter: the only place that decides it, for the processor, the backfill, raw
 * queries and `validationError`. Rules and messages follow OpenMeter's meter/parse.go; the value is exact.
 */
export interface Measurement {
  /** undefined for COUNT and UNIQUE_COUNT. */
  value: Decimal | undefined;
  /** The distinct value of UNIQUE_COUNT. */
  unique: string | undefined;
  /** In the order of groupByNames(meter); '' where the data has none. */
  groups: readonly string[];
}

export interface CompiledMeter {
  meter: Meter;
  /** The members of data that decide; undefined where it may be any part of it. */
  members: readonly string[] | undefined;
  /** The measurement, or the reason why the event doesn't count. */
  measure(data: unknown): Measurement | string;
}

const noGroups: readonly string[] = [];
const uniqueLengthMax = 200;
const quotedLengthMax = 64;

/** Throws an Error when a path of the meter isn't understood; stored meters have been checked. */
export function compileMeter(meter: Meter): CompiledMeter {
  const lookups = groupByNames(meter).map((name) => compilePath(meter.groupBy[name]!));
  const valueAt = meter.valueProperty === undefined ? undefined : compilePath(meter.valueProperty);
  const members = membersOf(meter);
  const kept = keptValues[meter.aggregation];
  if (kept === 'none') {
    return {
      meter,
      members,
      measure: (data) => ({ value: undefined, unique: undefined, groups: groupsOf(lookups, data) }),
    };
  }
  if (!valueAt) throw new Error(`meter ${meter.slug}: value property is missing`);
  const unique = kept === 'distinct';
  return {
    meter,
    members,
    measure(data) {
      if (data === null || data === undefined) return 'invalid event: null and missing value property';
      const raw = valueAt(data);
      if (raw === undefined) return `invalid event: missing value property: "${meter.valueProperty}"`;
      if (raw === null) return 'invalid event: value cannot be null';
      if (unique) {
        const text = scalarText(raw);
        if (text === undefined) return `invalid event: unsupported value property type: ${typeName(raw)}`;
        return { value: undefined, unique: shorten(text), groups: groupsOf(lookups, data) };
      }
      const value = decimalOf(raw);
      if (typeof value === 'string') return `invalid event: ${value}`;
      return { value, unique: undefined, groups: groupsOf(lookups, data) };
    },
  };
}

function membersOf({ aggregation, valueProperty, groupBy }: Meter): string[] | undefined {
  const paths = keptValues[aggregation] === 'none' ? [] : [valueProperty ?? '$'];
  const members = [...paths, ...Object.values(groupBy)].map(firstMember);
  return members.every((member) => member !== undefined) ? members : undefined;
}

/** A finite number, or a text that is one; else the reason. */
function decimalOf(raw: unknown): Decimal | string {
  if (typeof raw === 'number') return decimalOfNumber(raw);
  const text = typeof raw === 'string' ? raw : JSON.isRawJSON(raw) ? raw.rawJSON : undefined;
  if (text === undefined) return `unsupported value property type: ${typeName(raw)}`;
  if (/^[+-]?nan$/i.test(text)) return 'value cannot be NaN';
  if (/^[+-]?inf(inity)?$/i.test(text)) return 'value cannot be infinity';
  const value = parseDecimal(text);
  if (value === undefined) {
    return Number.isNaN(Number(text)) || text.trim() === ''
      ? `value cannot be parsed as a number: ${text.slice(0, quotedLengthMax)}`
      : 'value has too many digits or too large an exponent';
  }
  return Number.isFinite(Number(text)) ? value : 'value cannot be infinity';
}

function groupsOf(lookups: Lookup[], data: unknown): readonly string[] {
  if (lookups.length === 0) return noGroups;
  const groups = new Array<string>(lookups.length);
  for (let i = 0; i < lookups.length; i++) groups[i] = scalarText(lookups[i]!(data)) ?? '';
  return groups;
}

/** The text of a scalar; undefined for objects, arrays, null and what isn't there. */
function scalarText(value: unknown): string | undefined {
  if (typeof value === 'string') return storable(value);
  if (typeof value === 'number') return formatDecimal(decimalOfNumber(value));
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  if (JSON.isRawJSON(value)) {
    const exact = parseDecimal(value.rawJSON);
    return exact === undefined ? value.rawJSON : formatDecimal(exact);
  }
  return undefined;
}

const unstorable = /[\0\ud800-\udfff]/;

/** PostgreSQL's text holds neither NUL nor lone surrogates: both become U+FFFD. */
function storable(text: string): string {
  return unstorable.test(text) ? text.toWellFormed().replaceAll('\0', '\ufffd') : text;
}

/** Looks like what a long value is kept as. It is hashed as well, so that no value can pass for another's hash. */
const hashed = /^sha256:[0-9a-f]{64}$/;

function shorten(text: string): string {
  if (text.length <= uniqueLengthMax && !hashed.test(text)) return text;
  return `sha256:${new Bun.CryptoHasher('sha256').update(text).digest('hex')}`;
}

function typeName(value: unknown): string {
  return Array.isArray(value) ? 'array' : typeof value;
}
