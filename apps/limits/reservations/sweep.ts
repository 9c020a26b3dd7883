import type { Sql } from '@usage/db/connection/connect.ts';
import { dropReservations, endReservations } from '@usage/db/limits/reservations.ts';
import type { Logger } from '@usage/lib/service/log.ts';
import { Loop } from '../loop.ts';
import type { LimitsMetrics } from '../metrics.ts';

const rowsMax = 1_000;
const pauseMs = 500;
const keptDays = 30;
const dropEveryMs = 60_000;

/** Ends reservations whose event is stored or whose time is over, so that checks have few to look at; and forgets old ones. */
export function reservationSweep(sql: Sql, metrics: LimitsMetrics, log: Logger): Loop {
  let droppedMs = Number.NEGATIVE_INFINITY;
  return new Loop('reservation sweep', log, async () => {
    const { ended, unreported } = await endReservations(sql, rowsMax);
    metrics.unreported.inc(unreported);
    if (performance.now() - droppedMs > dropEveryMs) {
      const dropped = await dropReservations(sql, keptDays, rowsMax);
      if (dropped < rowsMax) droppedMs = performance.now();
    }
    return ended === rowsMax ? 0 : pauseMs;
  });
}
