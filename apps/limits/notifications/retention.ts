import type { Sql } from '@usage/db/connection/connect.ts';
import { dropEventsBefore } from '@usage/db/notifications/retention.ts';
import type { Logger } from '@usage/lib/service/log.ts';
import { Loop } from '@usage/lib/service/loop.ts';

const eventsMax = 500;
const pauseMs = 60_000;
const dayMs = 86_400_000;

/** Forgets events, with the log of their deliveries, that are older than `days`; a piece at a time. */
export function notificationRetention(
  sql: Sql,
  days: number,
  log: Logger,
  now: () => number = Date.now,
): Loop {
  return new Loop('notification retention', log, async () => {
    const dropped = await dropEventsBefore(sql, new Date(now() - days * dayMs), eventsMax);
    return dropped === eventsMax ? 0 : pauseMs;
  });
}
