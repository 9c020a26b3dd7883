import { layoutOf } from '@usage/gateway/events/contentType.ts';
import { eventsOf } from '@usage/gateway/events/read.ts';
import { readBody } from '@usage/lib/http/body.ts';
import { createServer, listen } from '@usage/lib/http/server.ts';
import { Health } from '@usage/lib/service/health.ts';
import { createLog } from '@usage/lib/service/log.ts';
import { Registry } from 'prom-client';

/** The ingest route that validates and answers, and keeps nothing: what a gateway with Redis is compared to. */
const limits = { bodyBytesMax: 8_388_608, requestEventsMax: 10_000 };
const log = createLog('bare', 'warn');
const app = createServer({ log, health: new Health(), registry: new Registry(), ...limits }).post(
  '/api/v1/events',
  async ({ request, set }) => {
    const layout = layoutOf(request.headers);
    eventsOf(layout, request.headers, await readBody(request, limits.bodyBytesMax), limits);
    set.status = 204;
  },
  { parse: 'none' },
);
console.log(JSON.stringify({ port: listen(app, '127.0.0.1', 0) }));
