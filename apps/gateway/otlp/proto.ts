import { Problem } from '@usage/lib/http/problem.ts';
import protobuf from 'protobufjs/light.js';

/** The parts of OTLP 1 that are read, by the field numbers of its proto files; fields beyond them are passed over. */

export const signals = ['logs', 'metrics', 'traces'] as const;
export type Signal = (typeof signals)[number];

type Fields = Record<string, [type: string, id: number, repeated?: 'repeated']>;

const messages: Record<string, Fields> = {
  AnyValue: {
    stringValue: ['string', 1],
    boolValue: ['bool', 2],
    intValue: ['int64', 3],
    doubleValue: ['double', 4],
    arrayValue: ['ArrayValue', 5],
    kvlistValue: ['KeyValueList', 6],
    bytesValue: ['bytes', 7],
  },
  ArrayValue: { values: ['AnyValue', 1, 'repeated'] },
  KeyValueList: { values: ['KeyValue', 1, 'repeated'] },
  KeyValue: { key: ['string', 1], value: ['AnyValue', 2] },
  Resource: { attributes: ['KeyValue', 1, 'repeated'] },
  Scope: { name: ['string', 1], version: ['string', 2], attributes: ['KeyValue', 3, 'repeated'] },
  LogsRequest: { resourceLogs: ['ResourceLogs', 1, 'repeated'] },
  ResourceLogs: { resource: ['Resource', 1], scopeLogs: ['ScopeLogs', 2, 'repeated'] },
  ScopeLogs: { scope: ['Scope', 1], logRecords: ['LogRecord', 2, 'repeated'] },
  LogRecord: {
    timeUnixNano: ['fixed64', 1],
    severityText: ['string', 3],
    body: ['AnyValue', 5],
    attributes: ['KeyValue', 6, 'repeated'],
    traceId: ['bytes', 9],
    spanId: ['bytes', 10],
    observedTimeUnixNano: ['fixed64', 11],
    eventName: ['string', 12],
  },
  TracesRequest: { resourceSpans: ['ResourceSpans', 1, 'repeated'] },
  ResourceSpans: { resource: ['Resource', 1], scopeSpans: ['ScopeSpans', 2, 'repeated'] },
  ScopeSpans: { scope: ['Scope', 1], spans: ['Span', 2, 'repeated'] },
  Span: {
    traceId: ['bytes', 1],
    spanId: ['bytes', 2],
    name: ['string', 5],
    startTimeUnixNano: ['fixed64', 7],
    endTimeUnixNano: ['fixed64', 8],
    attributes: ['KeyValue', 9, 'repeated'],
  },
  MetricsRequest: { resourceMetrics: ['ResourceMetrics', 1, 'repeated'] },
  ResourceMetrics: { resource: ['Resource', 1], scopeMetrics: ['ScopeMetrics', 2, 'repeated'] },
  ScopeMetrics: { scope: ['Scope', 1], metrics: ['Metric', 2, 'repeated'] },
  Metric: { name: ['string', 1], unit: ['string', 3], gauge: ['Points', 5], sum: ['Sum', 7] },
  Points: { dataPoints: ['NumberDataPoint', 1, 'repeated'] },
  Sum: {
    dataPoints: ['NumberDataPoint', 1, 'repeated'],
    aggregationTemporality: ['int32', 2],
    isMonotonic: ['bool', 3],
  },
  NumberDataPoint: {
    startTimeUnixNano: ['fixed64', 2],
    timeUnixNano: ['fixed64', 3],
    asDouble: ['double', 4],
    asInt: ['sfixed64', 6],
    attributes: ['KeyValue', 7, 'repeated'],
    flags: ['uint32', 8],
  },
  Answer: { partialSuccess: ['PartialSuccess', 1] },
  PartialSuccess: { rejected: ['int64', 1], errorMessage: ['string', 2] },
};

const root = protobuf.Root.fromJSON({
  nested: Object.fromEntries(Object.entries(messages).map(descriptorOf)),
});
const requests = { logs: 'LogsRequest', metrics: 'MetricsRequest', traces: 'TracesRequest' };
const rejectedNames = { logs: 'rejectedLogRecords', metrics: 'rejectedDataPoints', traces: 'rejectedSpans' };

function descriptorOf([name, fields]: [string, Fields]): [string, protobuf.IType] {
  const entries = Object.entries(fields).map(([field, [type, id, rule]]) => [
    field,
    { type, id, ...(rule && { rule }) },
  ]);
  return [name, { fields: Object.fromEntries(entries) }];
}

/** A request as OTLP's JSON has it: 64-bit integers as texts, ids of traces and spans in hex. Throws 400. */
export function decodeRequest(signal: Signal, bytes: Uint8Array): unknown {
  const type = root.lookupType(requests[signal]);
  try {
    return type.toObject(type.decode(bytes), { longs: String, bytes: Array });
  } catch (error) {
    throw new Problem(
      'bad_request',
      `The body is no protobuf of OTLP ${signal}: ${(error as Error).message}.`,
    );
  }
}

/** The answer to an export, as JSON or protobuf, as the request came. */
export function encodeAnswer(signal: Signal, isJson: boolean, rejected: number, message: string): Response {
  if (isJson) {
    const partialSuccess = { [rejectedNames[signal]]: String(rejected), errorMessage: message };
    return Response.json(rejected === 0 ? {} : { partialSuccess });
  }
  const type = root.lookupType('Answer');
  const answer = rejected === 0 ? {} : { partialSuccess: { rejected, errorMessage: message } };
  const bytes = type.encode(type.create(answer)).finish();
  return new Response(Uint8Array.from(bytes), { headers: { 'Content-Type': 'application/x-protobuf' } });
}
