import type { Sql } from '@usage/db/connection/connect.ts';
import type { Access } from '@usage/lib/auth/access.ts';
import { readParameters } from '@usage/lib/http/parameters.ts';
import type { EventStream } from '@usage/lib/stream/stream.ts';
import { Elysia } from 'elysia';
import { ActivityQuery, activityDetail, minutesMax } from './model.ts';
import { activityOf } from './service.ts';

export interface ActivityRoutes {
  sql: Sql;
  stream: EventStream;
  access: Access;
}

/** GET /api/v1/activity. Errors are thrown as Problem. */
export function activityRoutes({ sql, stream, access }: ActivityRoutes) {
  return new Elysia({ name: 'activity' }).get(
    '/api/v1/activity',
    async ({ request }) => {
      const by = access.identify(request, 'read');
      const { minutes = minutesMax } = readParameters(ActivityQuery, request);
      return Response.json(await activityOf(sql, stream, by, minutes));
    },
    { detail: activityDetail },
  );
}
