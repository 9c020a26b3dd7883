import { backfillsOf, type EventBackfill } from '@usage/db/backfills/counted.ts';
import type { Transaction } from '@usage/db/connection/connect.ts';
import { amendmentsOf, correctionsOf, type EventCorrection } from '@usage/db/corrections/eventCorrections.ts';
import type { ListedEvent } from '@usage/db/events/eventLists.ts';

/** An event beside its correction and its backfill. */
export interface CorrectedEvent {
  /** As it came. */
  event: ListedEvent;
  /** In force; undefined: it counts as it came. */
  correction: EventCorrection | undefined;
  /** undefined: it was sent under none. */
  backfill: EventBackfill | undefined;
  /** As it counts where it is amended, else as it came. A voided one counts for nothing. */
  current: ListedEvent;
}

/** In the order of the events. Amendments are only read where there are some. */
export async function withCorrections(
  tx: Transaction,
  namespace: string,
  events: readonly ListedEvent[],
): Promise<CorrectedEvent[]> {
  const corrections = await correctionsOf(tx, namespace, events);
  const amended = [...corrections.values()].filter(({ action }) => action === 'amend').map(({ id }) => id);
  const amendments = amended.length > 0 ? await amendmentsOf(tx, namespace, amended) : undefined;
  const backfills = await backfillsOf(tx, [...new Set(events.map((event) => event.batch_id))]);
  return events.map((event, at) => {
    const correction = corrections.get(at);
    const amendment = correction && amendments?.get(correction.id);
    const backfill = backfills.get(event.batch_id);
    return { event, correction, backfill, current: amendment ? { ...event, ...amendment } : event };
  });
}
