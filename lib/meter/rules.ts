import { attributeBytesMax } from '../event/event.ts';
import { parseTimeUs, timeFault } from '../event/time.ts';
import { compileEventFilter, type EventFilters, eventFiltersMax } from './eventFilters.ts';
import { compileExpression, expressionLengthMax } from './expression.ts';
import { isJsonObject, type MeterFault, metadataFaults, textFault } from './fields.ts';
import { type Aggregation, aggregations } from './meter.ts';
import { compilePath } from './path.ts';

export type { MeterFault } from './fields.ts';

/**
 * What makes a meter's definition valid: OpenMeter's api/openapi.yaml and, where the two differ, its
 * openmeter/meter/meter.go (a COUNT takes no valueProperty). Stricter than both in what could only be a mistake:
 * unknown fields, paths that can't be evaluated, group-by names that a query could not tell from the subject.
 */
export interface MeterDefinition {
  slug: string;
  name: string;
  description: string | undefined;
  metadata: Record<string, string> | undefined;
  eventType: string;
  /** Events before it don't count; µs since 1970. */
  eventFromUs: number | undefined;
  aggregation: Aggregation;
  valueProperty: string | undefined;
  /** Arithmetic over JSONPaths in its place. */
  valueExpression?: string | undefined;
  /** Which events of the type count; undefined = all. */
  filters?: EventFilters | undefined;
  groupBy: Record<string, string>;
}

/** A replacement of what can change; `description` left out stays as it is, as with OpenMeter's server. */
export interface MeterUpdate {
  name: string | undefined;
  description: string | undefined;
  metadata: Record<string, string> | undefined;
  groupBy: Record<string, string>;
}

export type Read<T> = { value: T } | { faults: MeterFault[] };

export const slugPattern = '^[a-z0-9]+(?:_[a-z0-9]+)*$';
export const slugLengthMax = 64;
export const nameLengthMax = 256;
export const descriptionLengthMax = 1_024;
export const groupByPattern = '^[a-zA-Z_][0-9a-zA-Z_]*$';
export const groupByKeysMax = 32;
const groupByNameLengthMax = 128;
/** Queries mean the event's own subject and customer by them. */
export const reservedGroupByNames: readonly string[] = ['subject', 'customer_id'];

const definitionFields = [
  'slug',
  'name',
  'description',
  'eventType',
  'eventFrom',
  'aggregation',
  'valueProperty',
  'valueExpression',
  'filters',
  'groupBy',
  'metadata',
] as const;
const updateFields = ['name', 'description', 'groupBy', 'metadata'] as const;
/** Fields of a meter that the system sets. */
const readOnlyFields: readonly string[] = ['id', 'createdAt', 'updatedAt', 'deletedAt', 'annotations'];

const slugRegExp = new RegExp(slugPattern);
const groupByRegExp = new RegExp(groupByPattern);
const shownLengthMax = 64;

/** A new meter from parsed JSON or YAML, or every fault of it. */
export function readMeterDefinition(input: unknown): Read<MeterDefinition> {
  if (!isJsonObject(input)) return { faults: [{ field: '', reason: 'expected a meter (a JSON object)' }] };
  const { slug, name, description, eventType, eventFrom, aggregation, valueProperty, groupBy, metadata } =
    input;
  const { valueExpression, filters } = input;
  const faults: MeterFault[] = [
    ...unknownFields(input, definitionFields),
    ...slugFaults(slug),
    ...nameFaults(name),
    ...descriptionFaults(description),
    ...eventTypeFaults(eventType),
    ...eventFromFaults(eventFrom),
    ...aggregationFaults(aggregation),
    ...valueFaults(valueProperty, valueExpression, aggregation),
    ...filtersFaults(filters),
    ...groupByFaults(groupBy, valueProperty),
    ...metadataFaults(metadata),
  ];
  if (faults.length > 0) return { faults };
  return {
    value: {
      slug: slug as string,
      name: (name as string | undefined) ?? (slug as string),
      description: description as string | undefined,
      metadata: (metadata ?? undefined) as Record<string, string> | undefined,
      eventType: eventType as string,
      eventFromUs: eventFrom === undefined ? undefined : parseTimeUs(eventFrom as string),
      aggregation: aggregation as Aggregation,
      valueProperty: valueProperty as string | undefined,
      valueExpression: valueExpression as string | undefined,
      filters: isEmpty(filters) ? undefined : (filters as EventFilters),
      groupBy: (groupBy ?? {}) as Record<string, string>,
    },
  };
}

/** The replacement of a meter's changeable fields, held against the `valueProperty` that it keeps. */
export function readMeterUpdate(input: unknown, valueProperty: string | undefined): Read<MeterUpdate> {
  if (!isJsonObject(input)) {
    return { faults: [{ field: '', reason: 'expected the fields of a meter (a JSON object)' }] };
  }
  const { name, description, groupBy, metadata } = input;
  const faults: MeterFault[] = [
    ...unknownFields(input, updateFields),
    ...nameFaults(name),
    ...descriptionFaults(description),
    ...groupByFaults(groupBy, valueProperty),
    ...metadataFaults(metadata),
  ];
  if (faults.length > 0) return { faults };
  return {
    value: {
      name: name as string | undefined,
      description: description as string | undefined,
      metadata: (metadata ?? undefined) as Record<string, string> | undefined,
      groupBy: (groupBy ?? {}) as Record<string, string>,
    },
  };
}

function unknownFields(input: Record<string, unknown>, known: readonly string[]): MeterFault[] {
  const faults: MeterFault[] = [];
  for (const field of Object.keys(input)) {
    if (known.includes(field)) continue;
    let reason = `is not a field that can be set; known are ${known.join(', ')}`;
    if (readOnlyFields.includes(field)) reason = 'is set by the system';
    else if ((definitionFields as readonly string[]).includes(field)) {
      reason = "can't be changed; make a new meter instead";
    }
    faults.push({ field: show(field), reason });
  }
  return faults;
}

function slugFaults(slug: unknown): MeterFault[] {
  if (slug === undefined) return [{ field: 'slug', reason: 'is required' }];
  const fault = textFault(slug, { min: 1, max: slugLengthMax });
  if (fault) return [{ field: 'slug', reason: fault }];
  if (slugRegExp.test(slug as string)) return [];
  return [
    {
      field: 'slug',
      reason:
        'must consist of lower-case letters and digits, in words joined by single underscores, like tokens_total',
    },
  ];
}

function nameFaults(name: unknown): MeterFault[] {
  const fault = name === undefined ? undefined : textFault(name, { min: 1, max: nameLengthMax });
  return fault ? [{ field: 'name', reason: fault }] : [];
}

/** Empty is refused: OpenMeter's service does so, though its openapi.yaml has no minimum. */
function descriptionFaults(description: unknown): MeterFault[] {
  const fault =
    description === undefined ? undefined : textFault(description, { min: 1, max: descriptionLengthMax });
  return fault ? [{ field: 'description', reason: fault }] : [];
}

function eventTypeFaults(eventType: unknown): MeterFault[] {
  if (eventType === undefined) return [{ field: 'eventType', reason: 'is required' }];
  const fault = textFault(eventType, { min: 1, max: attributeBytesMax });
  if (fault) return [{ field: 'eventType', reason: fault }];
  if (Buffer.byteLength(eventType as string) <= attributeBytesMax) return [];
  return [{ field: 'eventType', reason: `must not be longer than ${attributeBytesMax} bytes` }];
}

function eventFromFaults(eventFrom: unknown): MeterFault[] {
  if (eventFrom === undefined) return [];
  const fault =
    typeof eventFrom === 'string' ? timeFault(eventFrom) : 'expected a text with an RFC 3339 time';
  return fault ? [{ field: 'eventFrom', reason: fault }] : [];
}

function aggregationFaults(aggregation: unknown): MeterFault[] {
  if (aggregation === undefined) return [{ field: 'aggregation', reason: 'is required' }];
  if ((aggregations as readonly unknown[]).includes(aggregation)) return [];
  return [{ field: 'aggregation', reason: `must be one of ${aggregations.join(', ')}` }];
}

/** A meter has a valueProperty or a valueExpression, a COUNT neither. */
function valueFaults(valueProperty: unknown, valueExpression: unknown, aggregation: unknown): MeterFault[] {
  const field = 'valueExpression';
  if (valueExpression === undefined) return valuePropertyFaults(valueProperty, aggregation);
  if (valueProperty !== undefined) return [{ field, reason: 'cannot be given together with valueProperty' }];
  if (aggregation === 'COUNT') return [{ field, reason: 'is not allowed when the aggregation is COUNT' }];
  const fault =
    textFault(valueExpression, { min: 1, max: expressionLengthMax }) ??
    messageOf(() => compileExpression(valueExpression as string));
  return fault ? [{ field, reason: fault }] : [];
}

function filtersFaults(filters: unknown): MeterFault[] {
  if (filters === undefined || filters === null) return [];
  if (!isJsonObject(filters))
    return [{ field: 'filters', reason: 'expected an object of JSONPaths or attributes and filters' }];
  const entries = Object.entries(filters);
  if (entries.length > eventFiltersMax)
    return [{ field: 'filters', reason: `must not have more than ${eventFiltersMax} entries` }];
  return entries.flatMap(([name, filter]) => {
    const reason = messageOf(() => compileEventFilter(name, filter));
    return reason ? [{ field: `filters.${show(name)}`, reason }] : [];
  });
}

function isEmpty(filters: unknown): boolean {
  return filters === undefined || filters === null || Object.keys(filters).length === 0;
}

function messageOf(compile: () => unknown): string | undefined {
  try {
    compile();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function valuePropertyFaults(valueProperty: unknown, aggregation: unknown): MeterFault[] {
  const field = 'valueProperty';
  if (aggregation === 'COUNT') {
    return valueProperty === undefined
      ? []
      : [{ field, reason: 'is not allowed when the aggregation is COUNT' }];
  }
  if (valueProperty === undefined) {
    const known = (aggregations as readonly unknown[]).includes(aggregation);
    return known
      ? [
          {
            field,
            reason: `is required when the aggregation is ${aggregation}`,
          },
        ]
      : [];
  }
  const fault = pathFault(valueProperty);
  return fault ? [{ field, reason: fault }] : [];
}

function groupByFaults(groupBy: unknown, valueProperty: unknown): MeterFault[] {
  if (groupBy === undefined) return [];
  if (!isJsonObject(groupBy)) {
    return [{ field: 'groupBy', reason: 'expected an object of names and JSONPaths' }];
  }
  const entries = Object.entries(groupBy);
  if (entries.length > groupByKeysMax) {
    return [{ field: 'groupBy', reason: `must not have more than ${groupByKeysMax} names` }];
  }
  const faults: MeterFault[] = [];
  for (const [name, path] of entries) {
    const field = `groupBy.${show(name)}`;
    const nameFault = groupByNameFault(name);
    if (nameFault) faults.push({ field, reason: nameFault });
    const fault = pathFault(path);
    if (fault) faults.push({ field, reason: fault });
    else if (path === valueProperty) faults.push({ field, reason: 'must differ from valueProperty' });
  }
  return faults;
}

function groupByNameFault(name: string): string | undefined {
  if (name.length > groupByNameLengthMax) {
    return `the name must not be longer than ${groupByNameLengthMax} characters`;
  }
  if (!groupByRegExp.test(name)) {
    return 'the name must consist of letters, digits and underscores, and not begin with a digit';
  }
  if (reservedGroupByNames.includes(name)) return 'the name is reserved: every meter can be grouped by it';
  if (name === '__proto__') return 'the name is reserved';
  return undefined;
}

function pathFault(path: unknown): string | undefined {
  const fault = textFault(path, { min: 1, max: Number.MAX_SAFE_INTEGER });
  if (fault) return fault;
  return messageOf(() => compilePath(path as string));
}

/** Names from a request, short enough for an error message. */
function show(name: string): string {
  return name.length <= shownLengthMax ? name : `${name.slice(0, shownLengthMax)}…`;
}
