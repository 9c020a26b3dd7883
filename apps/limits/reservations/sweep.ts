import type { Sql } from '@usage/db/connection/connect.ts';
import { dropReservations, endExpired, endReported } from '@usage/db/limits/holds.ts';
import type { Logger } from '@usage/lib/service/log.ts';
import { Loop } from '@usage/lib/service/loop.ts';
import type { LimitsMetrics } from '../metrics.ts';

const rowsMax = 1_000;
const pauseMs = 500;
const keptDays = 30;
const dropEveryMs = 60_000;

/**
 * Ends reservations whose event is stored or whose time is over, a piece at a time, so that checks have few to look at; and
 * forgets old ones. It changes no balance: checks know both without it.
 */
export function reservationSweep(sql: Sql, metrics: LimitsMetrics, log: Logger): Loop {
  let droppedMs = Number.NEGATIVE_INFINITY;
  let after = '';
  return new Loop('reservation sweep', log, async () => {
    const expired = await endExpired(sql, rowsMax);
    metrics.unreported.inc(expired.unreported);
    const reported = await endReported(sql, after, rowsMax);
    after = reported.after;
    if (performance.now() - droppedMs > dropEveryMs) {
      const dropped = await dropReservations(sql, keptDays, rowsMax);
      if (dropped < rowsMax) droppedMs = performance.now();
    }
    const isBusy = expired.ended === rowsMax || reported.ended * 2 > rowsMax;
    return isBusy ? 0 : pauseMs;
  });
}
