import type { Sql } from '@usage/db/connection/connect.ts';
import { insertAudit } from '@usage/db/limits/audit.ts';
import * as events from '@usage/db/notifications/events.ts';
import { parseTimeUs } from '@usage/lib/event/time.ts';
import { readParameters } from '@usage/lib/http/parameters.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import { ResendInput } from '@usage/lib/limits/api/notificationSchemas.ts';
import { EventListQuery, windowOf } from '@usage/lib/limits/api/queries.ts';
import { type Ask, optionalBodyOf, pageAnswer } from '../http/ask.ts';
import { eventWire } from './wire.ts';

export function eventHandlers(sql: Sql) {
  const find = async ({ namespace, params }: Ask) => {
    const event = await events.getEvent(sql, namespace, params.eventId!);
    if (event) return event;
    throw new Problem('not_found', 'There is no such event.');
  };
  return {
    async listNotificationEvents({ namespace, request }: Ask) {
      const query = readParameters(EventListQuery, request);
      const { feature: features, subject: subjects, rule: rules, channel: channels } = query;
      const { orderBy = 'createdAt', order = 'DESC' } = query;
      const { page, pageSize } = windowOf(query);
      const listing = {
        ...{
          limit: pageSize,
          offset: (page - 1) * pageSize,
          orderBy,
          order,
          features,
          subjects,
          rules,
          channels,
        },
        fromUs: query.from === undefined ? undefined : parseTimeUs(query.from),
        toUs: query.to === undefined ? undefined : parseTimeUs(query.to),
      };
      const found = await events.listEvents(sql, namespace, listing);
      return pageAnswer({ page, pageSize }, found.total, found.events.map(eventWire));
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
