import type { Transaction } from '@usage/db/connection/connect.ts';
import { markStale, staleMinutesMax } from '@usage/db/corrections/staleMinutes.ts';
import { eventsKeptSince } from '@usage/db/schema/eventsKept.ts';
import { formatTimeUs } from '@usage/lib/event/time.ts';
import { Problem, unavailable } from '@usage/lib/http/problem.ts';
import { minuteUs } from '@usage/lib/windows/units.ts';

/**
 * Marks the minutes of these times (µs since 1970, by type of event) stale: from the commit on queries read them from the events.
 * The caller holds the registry's lock shared. Problems: 400 where events of these minutes may be gone, 503 where too many wait.
 */
export async function markMinutes(
  tx: Transaction,
  namespace: string,
  timesOfTypes: ReadonlyMap<string, readonly number[]>,
): Promise<void> {
  await checkKept(tx, timesOfTypes);
  for (const [type, times] of timesOfTypes)
    if ((await markStale(tx, namespace, type, times)) > staleMinutesMax)
      throw unavailable(
        `More than ${staleMinutesMax} corrected minutes would wait for the aggregator: try again later, or change fewer minutes at once.`,
        10,
      );
}

/** A minute is made anew from its events: with some of them dropped it would lose what they came to. */
async function checkKept(
  tx: Transaction,
  timesOfTypes: ReadonlyMap<string, readonly number[]>,
): Promise<void> {
  const keptUs = await eventsKeptSince(tx);
  if (keptUs === undefined) return;
  for (const times of timesOfTypes.values())
    for (const us of times) {
      if (Math.floor(us / minuteUs) * minuteUs >= keptUs) continue;
      throw new Problem(
        'bad_request',
        `Events from before ${formatTimeUs(keptUs)} are no longer kept: what the minute of ${formatTimeUs(us)} came to cannot change any more.`,
      );
    }
}
