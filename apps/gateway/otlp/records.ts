import { Problem } from '@usage/lib/http/problem.ts';
import type { Signal } from './proto.ts';

/** JSON values that attributes come to; integers of 64 bits keep every digit (JSON.rawJSON). */
export type Attributes = Map<string, unknown>;

/** A log record, a span, or a point of a metric. */
export interface TelemetryRecord {
  signal: Signal;
  resource: Attributes;
  scope: { name: string; version: string };
  attributes: Attributes;
  /** `record:…` of a mapping. */
  fields: Map<string, unknown>;
  /** ns since 1970; 0n: unknown. */
  timeNs: bigint;
  /** What tells it from all others: equal for the same record that is sent again. */
  identity: unknown[];
  /** Of a cumulative sum: its value has to become a difference first. */
  cumulative: { startNs: bigint; isMonotonic: boolean; value: string } | undefined;
}

const cumulativeTemporality = 2;
const noRecordedValue = 1;
const depthMax = 32;
const unsupportedMetrics = ['histogram', 'exponentialHistogram', 'summary'];

type Json = Record<string, unknown>;

/** Every record of a request in OTLP's JSON form. Throws 400 where it hasn't that form. */
export function recordsOf(
  signal: Signal,
  request: unknown,
): { records: TelemetryRecord[]; unsupported: string[] } {
  const unsupported: string[] = [];
  try {
    switch (signal) {
      case 'logs':
        return { records: [...scoped(request, 'Logs', 'logRecords', logRecord)], unsupported };
      case 'traces':
        return { records: [...scoped(request, 'Spans', 'spans', spanRecord)], unsupported };
      case 'metrics':
        return {
          records: [
            ...scoped(request, 'Metrics', 'metrics', (metric, of) => pointRecords(metric, of, unsupported)),
          ],
          unsupported,
        };
      default:
        return signal satisfies never;
    }
  } catch (error) {
    throw new Problem(
      'bad_request',
      `The body is no request of OTLP ${signal}: ${(error as Error).message}.`,
    );
  }
}

type Scoped = Pick<TelemetryRecord, 'resource' | 'scope'>;

function* scoped(
  request: unknown,
  kind: string,
  list: string,
  read: (item: Json, of: Scoped) => Iterable<TelemetryRecord>,
): Generator<TelemetryRecord> {
  for (const inResource of listOf(request, `resource${kind}`)) {
    const resource = attributesOf((inResource.resource as Json | undefined)?.attributes);
    for (const inScope of listOf(inResource, `scope${kind}`)) {
      const { name = '', version = '' } = (inScope.scope ?? {}) as { name?: string; version?: string };
      for (const item of listOf(inScope, list)) yield* read(item, { resource, scope: { name, version } });
    }
  }
}

function* logRecord(record: Json, of: Scoped): Generator<TelemetryRecord> {
  const attributes = attributesOf(record.attributes);
  const timeNs = nsOf(record.timeUnixNano) || nsOf(record.observedTimeUnixNano);
  const body = anyValue(record.body, 0);
  const [trace, span] = [hexOf(record.traceId), hexOf(record.spanId)];
  const fields = new Map<string, unknown>([
    ['body', body],
    ['event_name', record.eventName],
    ['severity', record.severityText],
    ['trace_id', trace],
    ['span_id', span],
  ]);
  const identity = [
    ...scopeIdentity(of),
    String(timeNs),
    trace,
    span,
    record.eventName ?? '',
    body,
    [...attributes],
  ];
  yield { signal: 'logs', ...of, attributes, fields, timeNs, identity, cumulative: undefined };
}

function* spanRecord(span: Json, of: Scoped): Generator<TelemetryRecord> {
  const [startNs, timeNs] = [nsOf(span.startTimeUnixNano), nsOf(span.endTimeUnixNano)];
  const [trace, id] = [hexOf(span.traceId), hexOf(span.spanId)];
  const fields = new Map<string, unknown>([
    ['name', span.name],
    ['trace_id', trace],
    ['span_id', id],
    ['duration_ms', Number(timeNs - startNs) / 1e6],
  ]);
  const attributes = attributesOf(span.attributes);
  yield { signal: 'traces', ...of, attributes, fields, timeNs, identity: [trace, id], cumulative: undefined };
}

function* pointRecords(metric: Json, of: Scoped, unsupported: string[]): Generator<TelemetryRecord> {
  for (const kind of unsupportedMetrics) if (metric[kind]) unsupported.push(`${metric.name} is a ${kind}`);
  const sum = metric.sum as Json | undefined;
  const isCumulative =
    sum?.aggregationTemporality === cumulativeTemporality ||
    sum?.aggregationTemporality === 'AGGREGATION_TEMPORALITY_CUMULATIVE';
  for (const point of listOf(sum ?? metric.gauge ?? {}, 'dataPoints')) {
    if ((Number(point.flags ?? 0) & noRecordedValue) !== 0) continue;
    const attributes = attributesOf(point.attributes);
    const [startNs, timeNs] = [nsOf(point.startTimeUnixNano), nsOf(point.timeUnixNano)];
    const value = point.asInt === undefined ? String(point.asDouble) : String(point.asInt);
    if (!Number.isFinite(Number(value))) continue;
    const name = metric.name as string;
    const series = [...scopeIdentity(of), name, metric.unit ?? '', sorted(attributes), String(startNs)];
    yield {
      signal: 'metrics',
      ...of,
      attributes,
      fields: new Map<string, unknown>([
        ['name', name],
        ['unit', metric.unit],
        ['value', JSON.rawJSON(value)],
      ]),
      timeNs,
      identity: isCumulative ? series : [...series, String(timeNs)],
      cumulative: isCumulative ? { startNs, isMonotonic: sum?.isMonotonic === true, value } : undefined,
    };
  }
}

function scopeIdentity({ resource, scope }: Scoped): unknown[] {
  return [sorted(resource), scope.name, scope.version];
}

function sorted(attributes: Attributes): [string, unknown][] {
  return [...attributes].sort(([a], [b]) => (a < b ? -1 : 1));
}

function listOf(of: unknown, name: string): Json[] {
  const list = (of as Json | undefined)?.[name];
  if (list === undefined) return [];
  if (!Array.isArray(list) || !list.every((item) => typeof item === 'object' && item !== null))
    throw new Error(`${name} must be a list of objects`);
  return list;
}

function attributesOf(list: unknown): Attributes {
  const entries = listOf({ attributes: list }, 'attributes');
  return new Map(entries.map(({ key, value }) => [String(key), anyValue(value, 0)]));
}

/** Throws where it is nested deeper than 32 levels. */
function anyValue(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  if (depth > depthMax) throw new Error(`a value is nested deeper than ${depthMax} levels`);
  const any = value as Json;
  if (any.stringValue !== undefined) return String(any.stringValue);
  if (any.boolValue !== undefined) return any.boolValue === true;
  if (any.intValue !== undefined) return JSON.rawJSON(integerText(any.intValue));
  if (any.doubleValue !== undefined)
    return Number.isFinite(Number(any.doubleValue)) ? Number(any.doubleValue) : String(any.doubleValue);
  if (any.arrayValue)
    return listOf(any.arrayValue, 'values').map((item) => anyValue(item, depth + 1) ?? null);
  if (any.kvlistValue) {
    const members = listOf(any.kvlistValue, 'values').map((one) => [
      String(one.key),
      anyValue(one.value, depth + 1),
    ]);
    return Object.fromEntries(members);
  }
  return undefined;
}

function integerText(value: unknown): string {
  const text = String(value);
  if (!/^-?\d{1,20}$/.test(text)) throw new Error(`${JSON.stringify(text.slice(0, 40))} is no integer`);
  return BigInt(text).toString();
}

function nsOf(value: unknown): bigint {
  if (value === undefined || value === '') return 0n;
  const text = String(value);
  if (!/^\d{1,20}$/.test(text)) throw new Error(`${JSON.stringify(text.slice(0, 40))} is no time in ns`);
  return BigInt(text);
}

/** Hex in JSON, bytes from protobuf. */
function hexOf(value: unknown): string {
  return Array.isArray(value)
    ? Buffer.from(value as number[]).toString('hex')
    : typeof value === 'string'
      ? value
      : '';
}
