import type { Sql } from '@usage/db/connection/connect.ts';
import { insertAudit } from '@usage/db/limits/audit.ts';
import * as events from '@usage/db/notifications/events.ts';
import { parseTimeUs, timeIssue } from '@usage/lib/event/time.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import { eventOrders, ResendInput } from '@usage/lib/limits/api/notificationSchemas.ts';
import { type Ask, optionalBodyOf, pageAnswer, QueryReader } from '../http/ask.ts';
import { eventWire } from './wire.ts';

export function eventHandlers(sql: Sql) {
  const find = async ({ namespace, params }: Ask) => {
    const event = await events.getEvent(sql, namespace, params.eventId!);
    if (event) return event;
    throw new Problem('not_found', 'There is no such event.');
  };
  return {
    async listNotificationEvents({ namespace, query }: Ask) {
      const read = new QueryReader(query);
      const window = read.window();
      const time = (name: string) =>
        read.value(name, (text, issue) => {
          const reason = timeIssue(text);
          if (reason) issue(reason);
          return parseTimeUs(text);
        });
      const listing = {
        ...window,
        ...read.order(eventOrders, 'createdAt'),
        ...(query.has('order') ? {} : { order: 'DESC' as const }),
        fromUs: time('from'),
        toUs: time('to'),
        features: read.texts('feature'),
        subjects: read.texts('subject'),
        rules: read.texts('rule'),
        channels: read.texts('channel'),
      };
      read.done();
      const found = await events.listEvents(sql, namespace, listing);
      return pageAnswer(window, found.total, found.events.map(eventWire));
    },
    async getNotificationEvent(ask: Ask) {
      return eventWire(await find(ask));
    },
    async resendNotificationEvent(ask: Ask) {
      const input = await optionalBodyOf(ask, ResendInput, 'request');
      const event = await find(ask);
      await sql.begin(async (tx) => {
        if (!(await events.resendEvent(tx, event.id, input.channels ?? undefined)))
          throw new Problem('bad_request', 'The event was not sent to any of these channels.');
        await insertAudit(tx, ask.actor, { action: 'resend', resource: 'event', resourceId: event.id });
      });
      return new Response(null, { status: 202 });
    },
  };
}
