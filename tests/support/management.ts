import { connect, type Sql } from '@usage/db/connection/connect.ts';
import { meterRoutes } from '@usage/gateway/meters/index.ts';
import { subjectRoutes } from '@usage/gateway/subjects/index.ts';
import { createServer } from '@usage/lib/http/server.ts';
import { apiDescription } from '@usage/lib/http/swagger.ts';
import { Health } from '@usage/lib/service/health.ts';
import { createLog } from '@usage/lib/service/log.ts';
import { Registry } from 'prom-client';
import { createDatabase } from './database.ts';

export interface Answer {
  status: number;
  type: string | null;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: whatever JSON the API answers
  body: any;
}

export interface ManagementApi {
  sql: Sql;
  /** A body that is text or bytes goes as it is, anything else as JSON. The header x-namespace chooses the namespace. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  drop(): Promise<void>;
}

export const problemType = 'application/problem+json';

/** The routes of meters and subjects on a server without a port, over a database of their own. */
export async function createManagementApi(): Promise<ManagementApi> {
  const database = await createDatabase();
  const sql = connect({ url: database.url, name: 'management', connectionsMax: 4, statementMsMax: 10_000 });
  const routes = { sql, namespaceOf: (request: Request) => request.headers.get('x-namespace') ?? 'default' };
  const log = createLog('test', 'silent');
  const app = createServer({ log, health: new Health(), registry: new Registry(), bodyBytesMax: 16_000_000 })
    .use(apiDescription({ title: 'test', description: 'test', tags: [] }))
    .use(meterRoutes(routes))
    .use(subjectRoutes(routes));
  return {
    sql,
    async call(method, path, body, headers = {}) {
      const init: RequestInit = { method, headers: { 'Content-Type': 'application/json', ...headers } };
      if (body !== undefined) {
        init.body = body instanceof Uint8Array || typeof body === 'string' ? body : JSON.stringify(body);
      }
      const response = await app.handle(new Request(`http://localhost${path}`, init));
      const text = await response.text();
      return {
        status: response.status,
        type: response.headers.get('content-type'),
        headers: response.headers,
        body: text === '' ? undefined : JSON.parse(text),
      };
    },
    async drop() {
      await sql.end();
      await database.drop();
    },
  };
}
