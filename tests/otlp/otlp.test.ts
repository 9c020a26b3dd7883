import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-proto';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import {
  AggregationTemporality,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { connect } from '@usage/db/connection/connect.ts';
import { CumulativeSums } from '@usage/gateway/otlp/cumulative.ts';
import { rulesFor } from '@usage/gateway/otlp/events.ts';
import { readMapping } from '@usage/gateway/otlp/mapping.ts';
import { recordsOf } from '@usage/gateway/otlp/records.ts';
import { createLog } from '@usage/lib/service/log.ts';
import { type RunningApps, startApps } from '../support/apps.ts';

/** What OpenTelemetry's SDKs send becomes usage, once. */
let apps: RunningApps;
let folder: string;
let rules: Awaited<ReturnType<typeof readMapping>>;

const mapping = `
rules:
  - signal: metrics
    where: { "record:name": tokens.used }
    type: tokens
    subject: [customer]
    data: { tokens: "record:value", model: model }
  - signal: metrics
    where: { "record:name": seats }
    type: seats
    subject: customer
    data: { tokens: "record:value" }
  - signal: logs
    where: { "record:body": request, "resource:service.name": shop }
    type: request
    subject: [customer, "=nobody"]
    data: { tokens: tokens, big: big, path: http.route, deep: deep }
  - signal: traces
    where: { gen_ai.usage.input_tokens: "*" }
    type: llm
    subject: [user.id]
    data: { tokens: gen_ai.usage.input_tokens, model: gen_ai.request.model, span: "record:name" }
`;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'usage-otlp-'));
  const file = join(folder, 'mapping.yaml');
  await Bun.write(file, mapping);
  rules = await readMapping(file);
  apps = await startApps({ OTLP_MAPPING_FILE: file });
  for (const type of ['tokens', 'seats', 'request', 'llm']) await makeMeter(type);
});
afterAll(async () => {
  await apps.stop();
  await rm(folder, { recursive: true });
});

async function makeMeter(slug: string): Promise<void> {
  const body = {
    slug,
    eventType: slug,
    aggregation: 'SUM',
    valueProperty: '$.tokens',
    groupBy: { model: '$.model' },
  };
  const headers = { 'Content-Type': 'application/json' };
  const response = await fetch(`${apps.url}/api/v1/meters`, {
    method: 'POST',
    headers,
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(await response.text());
}

/** By subject, once everything that was accepted is stored. */
async function usage(slug: string): Promise<Record<string, number>> {
  for (;;) {
    const response = await fetch(`${apps.url}/api/v1/meters/${slug}/query?groupBy=subject`);
    if (response.headers.get('usage-events-waiting') === '0') {
      const { data } = (await response.json()) as { data: { subject: string; value: number }[] };
      return Object.fromEntries(data.map(({ subject, value }) => [subject, value]));
    }
    await Bun.sleep(5);
  }
}

const resource = resourceFromAttributes({ 'service.name': 'shop' });
const url = (signal: string) => `${apps.url}/otlp/v1/${signal}`;

/** A process that counts: what it exports is sent by flush(). */
function counting(temporality: AggregationTemporality) {
  const exporter = new OTLPMetricExporter({ url: url('metrics') });
  exporter.selectAggregationTemporality = () => temporality;
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const provider = new MeterProvider({ resource, readers: [reader] });
  const meter = provider.getMeter('shop');
  return {
    tokens: meter.createCounter('tokens.used'),
    seats: meter.createUpDownCounter('seats'),
    ignored: meter.createCounter('ignored'),
    flush: () => provider.forceFlush(),
    stop: () => provider.shutdown(),
  };
}

describe('metrics by the SDK, as protobuf', () => {
  test('cumulative sums count their differences, across exports and the resets of restarts', async () => {
    for (const amounts of [
      [10, 5.5],
      [0.1, 0.2, 7],
    ]) {
      const process = counting(AggregationTemporality.CUMULATIVE);
      for (const amount of amounts) {
        process.tokens.add(amount, { customer: 'acme', model: 'large' });
        process.tokens.add(1, { customer: 'beta', model: 'small' });
        process.ignored.add(1_000, { customer: 'acme' });
        await process.flush();
      }
      await process.flush();
      await process.stop();
    }
    expect(await usage('tokens')).toEqual({ acme: 22.8, beta: 5 });
  });

  test('a sum that goes down as well counts what it changed by', async () => {
    const process = counting(AggregationTemporality.CUMULATIVE);
    for (const change of [5, -2, 4]) {
      process.seats.add(change, { customer: 'acme' });
      await process.flush();
    }
    await process.stop();
    expect(await usage('seats')).toEqual({ acme: 7 });
  });

  test('delta sums count as they come', async () => {
    const process = counting(AggregationTemporality.DELTA);
    for (const amount of [3, 4]) {
      process.tokens.add(amount, { customer: 'delta', model: 'large' });
      await process.flush();
    }
    await process.stop();
    expect((await usage('tokens')).delta).toBe(7);
  });
});

describe('traces and logs by the SDK', () => {
  test('spans of language models count their tokens, as JSON', async () => {
    const exporter = new OTLPTraceExporter({ url: url('traces') });
    const provider = new TracerProvider({ resource, spanProcessors: [new BatchSpanProcessor({ exporter })] });
    const tracer = provider.getTracer('shop');
    for (const tokens of [120, 380]) {
      const span = tracer.startSpan('chat', {
        attributes: { 'user.id': 'u1', 'gen_ai.usage.input_tokens': tokens, 'gen_ai.request.model': 'large' },
      });
      span.end();
    }
    tracer.startSpan('no tokens', { attributes: { 'user.id': 'u1' } }).end();
    await provider.forceFlush();
    expect(await usage('llm')).toEqual({ u1: 500 });
    const events = (await (await fetch(`${apps.url}/api/v2/events?limit=100`)).json()) as {
      items: { event: { type: string; source: string; data: object } }[];
    };
    const spans = events.items.filter(({ event }) => event.type === 'llm');
    expect(spans[0]!.event).toMatchObject({ source: 'otlp/shop', data: { model: 'large', span: 'chat' } });
    await provider.shutdown();
  });

  test('log records count, equal ones each, packed with gzip', async () => {
    const exporter = new OTLPLogExporter({ url: url('logs'), compression: 'gzip' as never });
    const provider = new LoggerProvider({
      resource,
      processors: [new BatchLogRecordProcessor({ exporter })],
    });
    const logger = provider.getLogger('shop');
    const timestamp = [1_790_000_000, 5] as [number, number];
    for (const tokens of [1, 1, 2])
      logger.emit({
        timestamp,
        observedTimestamp: timestamp,
        body: 'request',
        attributes: { customer: 'acme', tokens, deep: { a: [1, 'b'] } },
      });
    logger.emit({ body: 'request', attributes: { tokens: 8 } });
    logger.emit({ body: 'something else', attributes: { customer: 'acme', tokens: 100 } });
    await provider.forceFlush();
    await provider.shutdown();
    expect(await usage('request')).toEqual({ acme: 4, nobody: 8 });
  });
});

describe('what is sent again', () => {
  const attribute = (key: string, value: string) => ({ key, value: { stringValue: value } });
  const metrics = (points: object[], more = {}) => ({
    resourceMetrics: [
      {
        resource: {},
        scopeMetrics: [
          {
            metrics: [
              {
                name: 'tokens.used',
                sum: { aggregationTemporality: 2, isMonotonic: true, dataPoints: points, ...more },
              },
            ],
          },
        ],
      },
    ],
  });
  const point = (customer: string, seconds: number, value: string | number, start = 1_790_000_000) => ({
    attributes: [attribute('customer', customer)],
    startTimeUnixNano: start === 0 ? '0' : `${start}000000000`,
    timeUnixNano: `${1_790_000_000 + seconds}000000000`,
    ...(typeof value === 'string' ? { asInt: value } : { asDouble: value }),
  });
  const post = async (signal: string, body: unknown) => {
    const headers = { 'Content-Type': 'application/json' };
    const response = await fetch(url(signal), { method: 'POST', headers, body: JSON.stringify(body) });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };

  test('counts once: a point, one that is late, all digits of large integers', async () => {
    await post('metrics', metrics([point('again', 1, '9007199254740993')]));
    await post('metrics', metrics([point('again', 1, '9007199254740993')]));
    await post(
      'metrics',
      metrics([point('again', 3, '9007199254740999'), point('again', 2, '9007199254740995')]),
    );
    const response = await fetch(`${apps.url}/api/v1/meters/tokens/query?subject=again`);
    await usage('tokens');
    expect(await (await fetch(response.url)).text()).toContain('9007199254740999');
  });

  test('without a start, a value that falls is a reset', async () => {
    for (const [seconds, value] of [
      [1, 10],
      [2, 15],
      [3, 4],
      [4, 6],
    ] as const)
      await post('metrics', metrics([point('reset', seconds, value, 0)]));
    expect((await usage('tokens')).reset).toBe(21);
  });

  test('at once by many counts once', async () => {
    const sent = Array.from({ length: 20 }, (_, n) =>
      post('metrics', metrics([point('many', 1 + (n % 5), 10 * (1 + (n % 5)))])),
    );
    expect((await Promise.all(sent)).every(({ status }) => status === 200)).toBe(true);
    expect((await usage('tokens')).many).toBe(50);
  });

  test('events of a gateway that died after its commit are sent by another', async () => {
    const sql = connect({ url: apps.database.url, name: 'sums', connectionsMax: 1, statementMsMax: 10_000 });
    const log = createLog('test', 'silent');
    const { records } = recordsOf('metrics', metrics([point('died', 1, 39)]));
    const points = records.map((record) => ({ record, rules: rulesFor(record, rules) }));
    const died = new CumulativeSums(sql, () => Promise.reject(new Error('killed')), log);
    await expect(died.count('default', points, [])).rejects.toThrow('killed');
    const sent: string[] = [];
    const other = new CumulativeSums(sql, async (_, events) => void sent.push(...events), log);
    await other.sweep(0);
    await other.sweep(0);
    await other.count('default', points, []);
    await sql.end();
    expect(sent.map((text) => JSON.parse(text))).toMatchObject([{ subject: 'died', data: { tokens: 39 } }]);
  });

  test('what fits and is no event is counted and named; what is no OTLP is refused', async () => {
    const answer = await post('metrics', {
      resourceMetrics: [
        {
          scopeMetrics: [
            {
              metrics: [
                {
                  name: 'tokens.used',
                  sum: {
                    aggregationTemporality: 1,
                    dataPoints: [{ timeUnixNano: '1790000000000000000', asInt: '1' }],
                  },
                },
                { name: 'tokens.used', histogram: { dataPoints: [{}] } },
              ],
            },
          ],
        },
      ],
    });
    expect(answer).toEqual({
      status: 200,
      body: {
        partialSuccess: {
          rejectedDataPoints: '2',
          errorMessage: expect.stringContaining('none of customer'),
        },
      },
    });
    expect((await post('logs', { resourceLogs: 'x' })).status).toBe(400);
    expect(
      (await post('traces', { resourceSpans: [{ scopeSpans: [{ spans: [{ endTimeUnixNano: 'soon' }] }] }] }))
        .status,
    ).toBe(400);
    const bytes = { 'Content-Type': 'application/x-protobuf' };
    expect((await fetch(url('traces'), { method: 'POST', headers: bytes, body: 'no protobuf' })).status).toBe(
      400,
    );
    const text = { 'Content-Type': 'text/plain' };
    expect((await fetch(url('traces'), { method: 'POST', headers: text, body: '{}' })).status).toBe(415);
  });
});

describe('a mapping', () => {
  test('that is wrong ends the start with every issue', async () => {
    const file = join(folder, 'wrong.yaml');
    await Bun.write(file, 'rules:\n  - signal: trace\n    type: ""\n    subjekt: x\n    data: []\n');
    const issues = readMapping(file);
    for (const part of [
      'signal must be',
      'type must be',
      'subjekt is not known',
      'subject must be',
      'data must be',
    ])
      await expect(issues).rejects.toThrow(part);
    await expect(readMapping(join(folder, 'none.yaml'))).rejects.toThrow('OTLP_MAPPING_FILE');
  });

  test('is that of language models without a file', async () => {
    expect((await readMapping(undefined)).map(({ type }) => type)).toEqual(['gen_ai']);
  });
});
