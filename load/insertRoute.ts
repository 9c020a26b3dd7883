import { connect } from '@usage/db/connection/connect.ts';
import { Elysia, t } from 'elysia';
import { insertPlainEvents, type PlainEvent } from './sql/plainEvents.ts';

/**
 * What one would write first: a route that validates and puts a request's events straight into PostgreSQL with
 * INSERT … ON CONFLICT, and answers once they are committed. DATABASE_URL is its argument.
 */
const connectionsMax = 16;
const statementMsMax = 30_000;
const sql = connect({ url: process.argv[2]!, name: 'insert', connectionsMax, statementMsMax });

const event = t.Object({
  specversion: t.Literal('1.0'),
  id: t.String({ minLength: 1 }),
  source: t.String({ minLength: 1 }),
  type: t.String({ minLength: 1 }),
  subject: t.String({ minLength: 1 }),
  time: t.String({ format: 'date-time' }),
  data: t.Record(t.String(), t.Unknown()),
});
const app = new Elysia()
  .post(
    '/api/v1/events',
    async ({ body, set }) => {
      await insertPlainEvents(sql, Array.isArray(body) ? (body as PlainEvent[]) : [body as PlainEvent]);
      set.status = 204;
    },
    { parse: 'json', body: t.Union([t.Array(event), event]) },
  )
  .listen({ hostname: '127.0.0.1', port: 0, reusePort: false });
console.log(JSON.stringify({ port: app.server!.port }));
