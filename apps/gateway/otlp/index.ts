import type { Access } from '@usage/lib/auth/access.ts';
import { encodingOf, unpack } from '@usage/lib/http/contentEncoding.ts';
import { problemResponses } from '@usage/lib/http/documentation.ts';
import { bodyTooLarge, Problem } from '@usage/lib/http/problem.ts';
import { parseJson } from '@usage/lib/json/parse.ts';
import { Elysia } from 'elysia';
import { type Ingest, keepEvents, refuseWhileFull } from '../events/append.ts';
import type { CumulativePoint, CumulativeSums } from './cumulative.ts';
import { eventsOf, hashOf, rulesFor } from './events.ts';
import type { Rule } from './mapping.ts';
import { decodeRequest, encodeAnswer, type Signal, signals } from './proto.ts';
import { recordsOf, type TelemetryRecord } from './records.ts';

export interface OtlpRoutes {
  ingest: Ingest;
  access: Access;
  rules: readonly Rule[];
  sums: CumulativeSums;
}

const reasonsShownMax = 5;

/** POST /otlp/v1/{logs,metrics,traces}: OTLP/HTTP, protobuf and JSON. Records that no rule fits are passed over. */
export function otlpRoutes(parts: OtlpRoutes) {
  const app = new Elysia({ name: 'otlp', prefix: '/otlp/v1', normalize: false });
  for (const signal of signals)
    app.post(`/${signal}`, ({ request }) => take(parts, signal, request), {
      parse: 'none',
      detail: detailOf(signal),
    });
  return app;
}

/** The answer once Redis has acknowledged every event; throws a Problem when nothing was kept. */
async function take(
  { ingest, access, rules, sums }: OtlpRoutes,
  signal: Signal,
  request: Request,
): Promise<Response> {
  const identity = access.identify(request, 'ingest');
  refuseWhileFull(ingest);
  const isJson = requireOtlp(request.headers.get('content-type'));
  const content = await readContent(ingest, signal, request, isJson);
  const { records, unsupported } = recordsOf(signal, content);
  const { events, points, rejected } = mapped(records, rules);
  rejected.push(...unsupported);
  const count = events.length + points.length;
  if (count > ingest.limits.requestEventsMax)
    throw new Problem(
      'too_large',
      `${count} records in one request; at most ${ingest.limits.requestEventsMax}.`,
    );
  if (count > 0) access.takeEvents(identity, count);
  await keepTexts(ingest, identity.namespace, events);
  await sums.count(identity.namespace, points, rejected);
  if (rejected.length > 0) ingest.activity.rejected(identity.namespace, rejected.length);
  return encodeAnswer(signal, isJson, rejected.length, rejected.slice(0, reasonsShownMax).join('; '));
}

export async function keepTexts(ingest: Ingest, namespace: string, events: readonly string[]): Promise<void> {
  if (events.length === 0) return;
  const text = `[${events.join(',')}]`;
  await keepEvents(ingest, namespace, { text, bytes: Buffer.byteLength(text), count: events.length });
}

function mapped(records: readonly TelemetryRecord[], rules: readonly Rule[]) {
  const events: string[] = [];
  const points: CumulativePoint[] = [];
  const rejected: string[] = [];
  const copies = new Map<string, number>();
  for (const record of records) {
    const fitting = rulesFor(record, rules);
    if (fitting.length === 0) continue;
    if (record.cumulative) {
      points.push({ record, rules: fitting });
      continue;
    }
    const key = hashOf(record.identity);
    const copy = record.signal === 'logs' ? (copies.get(key) ?? 0) : 0;
    copies.set(key, copy + 1);
    try {
      events.push(...eventsOf(record, fitting, copy));
    } catch (error) {
      rejected.push((error as Error).message);
    }
  }
  return { events, points, rejected };
}

/** Whether it is JSON; throws 415 for what is neither. */
function requireOtlp(contentType: string | null): boolean {
  const type = contentType?.split(';', 1)[0]?.trim().toLowerCase();
  if (type === 'application/json') return true;
  if (type === 'application/x-protobuf') return false;
  throw new Problem('unsupported_media_type', 'OTLP comes as application/x-protobuf or application/json.');
}

async function readContent(
  ingest: Ingest,
  signal: Signal,
  request: Request,
  isJson: boolean,
): Promise<unknown> {
  const { bodyBytesMax } = ingest.limits;
  const encoding = encodingOf(request.headers);
  const raw = await ingest.bodies.inTime.bound(ingest.bodies.bytes(request, bodyBytesMax), (bytes) => bytes);
  if (raw.length > bodyBytesMax) throw bodyTooLarge(bodyBytesMax);
  const bytes = encoding ? await unpack(raw, encoding, bodyBytesMax) : raw;
  if (!isJson) return decodeRequest(signal, bytes);
  try {
    return parseJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new Problem('malformed_json', 'The body is not JSON in UTF-8.');
  }
}

function detailOf(signal: Signal) {
  return {
    tags: ['Events'],
    operationId: `otlp_${signal}`,
    summary: `Take OTLP ${signal}`,
    description:
      'OTLP/HTTP, as OpenTelemetry SDKs and collectors send it (endpoint: this address and /otlp). Records become events by the ' +
      'rules of OTLP_MAPPING_FILE; those that no rule fits are passed over. Records that fit and can not be events are counted ' +
      'in `partialSuccess`, with reasons.',
    responses: { 200: { description: 'Taken.' }, ...problemResponses(400, 413, 415) },
  };
}
