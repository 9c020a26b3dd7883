import { connect, type Sql } from '@usage/db/connection/connect.ts';
import { createMeter } from '@usage/db/meters/meters.ts';
import { openAccess } from '@usage/lib/auth/access.ts';
import type { MeterDefinition } from '@usage/lib/meter/definition.ts';
import type { Aggregation } from '@usage/lib/meter/meter.ts';
import { Health } from '@usage/lib/service/health.ts';
import { createLog } from '@usage/lib/service/log.ts';
import type { EventStream } from '@usage/lib/stream/stream.ts';
import type { QueryConfig } from '@usage/query/config.ts';
import { createQuery } from '@usage/query/query.ts';
import { Registry } from 'prom-client';
import { createDatabase } from '../support/database.ts';
import { Pipeline } from '../usage/pipeline.ts';

/** A query service on a database of its own, and the pipeline that fills it. */
export async function openQueryTest(
  stream?: EventStream,
  limits: Partial<QueryConfig> = {},
  nowMs?: () => number,
) {
  const database = await createDatabase();
  const sql = connect({ url: database.url, name: 'query test', connectionsMax: 4, statementMsMax: 30_000 });
  const registry = new Registry();
  const app = createQuery({
    config: {
      queryMsMax: 30_000,
      queriesMax: 10,
      queriesPerNamespaceMax: 10,
      connectionsMax: 4,
      connectionsPerNamespaceMax: 4,
      deltaCellsMax: 1_000,
      ...limits,
    },
    sql,
    access: openAccess(),
    stream,
    health: new Health(),
    registry,
    log: createLog('query', 'silent'),
    ...(nowMs && { nowMs }),
  });
  const pipeline = await Pipeline.open(sql);
  let ownTypes = 0;
  return {
    url: database.url,
    sql,
    registry,
    pipeline,
    meter: (meter: Partial<MeterDefinition> & { slug: string }) => makeMeter(sql, meter),
    /** A meter of an event type of its own, with nothing to group by and nothing left to backfill. */
    async meterOfItsOwn(aggregation: Aggregation) {
      const eventType = `own_${ownTypes++}`;
      const meter = await makeMeter(sql, { slug: eventType, eventType, aggregation, groupBy: {} });
      await pipeline.backfill();
      return meter;
    },
    get: (path: string, headers: Record<string, string> = {}) =>
      Promise.resolve(app.handle(new Request(`http://localhost${path}`, { headers }))),
    post: (path: string, body: unknown, headers: Record<string, string> = {}) =>
      Promise.resolve(
        app.handle(
          new Request(`http://localhost${path}`, {
            method: 'POST',
            headers: { 'Content-Type': 'application/json', ...headers },
            body: typeof body === 'string' ? body : JSON.stringify(body),
          }),
        ),
      ),
    async close() {
      await sql.end();
      await database.drop();
    },
  };
}

export type QueryTest = Awaited<ReturnType<typeof openQueryTest>>;

/** A SUM of $.tokens over events of type `prompt`, unless the caller says otherwise. */
export async function makeMeter(sql: Sql, meter: Partial<MeterDefinition> & { slug: string }) {
  const made = await createMeter(sql, 'default', {
    name: meter.slug,
    description: undefined,
    metadata: undefined,
    eventType: 'prompt',
    eventFromUs: undefined,
    aggregation: 'SUM',
    valueProperty: meter.aggregation === 'COUNT' ? undefined : '$.tokens',
    groupBy: { model: '$.model', type: '$.type' },
    ...meter,
  });
  if (!('meter' in made)) throw new Error(made.refused);
  return made.meter;
}

let events = 0;

/** An event as JSON text; `data` may be text too, for numbers that JavaScript would round. */
export function event(
  subject: string,
  time: string,
  data: unknown,
  more: Record<string, unknown> = {},
): string {
  const head = {
    specversion: '1.0',
    id: `event-${events++}`,
    source: 'test',
    type: 'prompt',
    subject,
    time,
    ...more,
  };
  const text = typeof data === 'string' ? data : JSON.stringify(data);
  return `${JSON.stringify(head).slice(0, -1)}${text === undefined ? '' : `,"data":${text}`}}`;
}
