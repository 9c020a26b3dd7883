import { type Decimal, formatDecimal } from '../decimal/decimal.ts';
import { compileEventFilters, type EventAttributes } from './eventFilters.ts';
import { compileExpression } from './expression.ts';
import { groupByNames, type KeptValues, keptValues, type Meter } from './meter.ts';
import { decimalOf, typeName } from './number.ts';
import { compilePath, firstMember, type Lookup } from './path.ts';
import { scalarText } from './scalar.ts';

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
  /** Whether `measure` looks at the event's attributes. */
  readsAttributes: boolean;
  /** The measurement; undefined where the meter's filters leave the event out; else the reason why it doesn't count. */
  measure(data: unknown, event: EventAttributes): Measurement | undefined | string;
}

/** What an event is worth: a value, a distinct value, neither for COUNT, or the reason why it has none. */
type Value = Pick<Measurement, 'value' | 'unique'> | string;
interface CompiledValue {
  members: readonly string[] | undefined;
  worthOf(data: unknown): Value;
}

const noGroups: readonly string[] = [];
const uniqueLengthMax = 200;
const noValue = { value: undefined, unique: undefined };

/** Throws an Error when a path, an expression or a filter of the meter isn't understood; stored meters have been checked. */
export function compileMeter(meter: Meter): CompiledMeter {
  const groupPaths = groupByNames(meter).map((name) => meter.groupBy[name]!);
  const lookups = groupPaths.map(compilePath);
  const { members, worthOf } = compileValue(meter);
  const filters = meter.filters && compileEventFilters(meter.filters);
  return {
    meter,
    members: allOf([members, groupPaths.map(firstMember), filters ? filters.members : []]),
    readsAttributes: filters?.readsAttributes ?? false,
    measure(data, event) {
      if (filters && !filters.takes(data, event)) return undefined;
      const value = worthOf(data);
      if (typeof value === 'string') return `invalid event: ${value}`;
      return { value: value.value, unique: value.unique, groups: groupsOf(lookups, data) };
    },
  };
}

function compileValue({ slug, aggregation, valueProperty, valueExpression }: Meter): CompiledValue {
  const kept = keptValues[aggregation];
  if (kept === 'none') return { members: [], worthOf: () => noValue };
  if (valueExpression !== undefined) {
    const { members, evaluate } = compileExpression(valueExpression);
    return { members, worthOf: (data) => named(kept, evaluate(data)) };
  }
  if (valueProperty === undefined) throw new Error(`meter ${slug}: value property is missing`);
  const valueAt = compilePath(valueProperty);
  const first = firstMember(valueProperty);
  return {
    members: first === undefined ? undefined : [first],
    worthOf(data) {
      if (data === null || data === undefined) return 'null and missing value property';
      const raw = valueAt(data);
      if (raw === undefined) return `missing value property: "${valueProperty}"`;
      if (raw === null) return 'value cannot be null';
      if (kept !== 'distinct') return named(kept, decimalOf(raw));
      const text = scalarText(raw);
      if (text === undefined) return `unsupported value property type: ${typeName(raw)}`;
      return { value: undefined, unique: shorten(text) };
    },
  };
}

function named(kept: KeptValues, value: Decimal | string): Value {
  if (typeof value === 'string') return value;
  return kept === 'distinct'
    ? { value: undefined, unique: shorten(formatDecimal(value)) }
    : { value, unique: undefined };
}

/** All the members; undefined where one of the lists doesn't say which. */
function allOf(lists: readonly (readonly (string | undefined)[] | undefined)[]): string[] | undefined {
  const members: string[] = [];
  for (const list of lists) {
    for (const member of list ?? [undefined]) {
      if (member === undefined) return undefined;
      members.push(member);
    }
  }
  return members;
}

function groupsOf(lookups: Lookup[], data: unknown): readonly string[] {
  if (lookups.length === 0) return noGroups;
  const groups = new Array<string>(lookups.length);
  for (let i = 0; i < lookups.length; i++) groups[i] = scalarText(lookups[i]!(data)) ?? '';
  return groups;
}

/** Looks like what a long value is kept as. It is hashed as well, so that no value can pass for another's hash. */
const hashed = /^sha256:[0-9a-f]{64}$/;

function shorten(text: string): string {
  if (text.length <= uniqueLengthMax && !hashed.test(text)) return text;
  return `sha256:${new Bun.CryptoHasher('sha256').update(text).digest('hex')}`;
}
