import type { NamedCell } from '@usage/lib/cells/cells.ts';
import type { Transaction } from '../connection/connect.ts';
import type { MeterToRead } from '../meters/findMeters.ts';
import type { UsageQuery, UsageRunner } from './context.ts';
import { acceptor, UsageTimeout } from './eventSums.ts';

/** The cells of deltas that the query asks for. */
export async function* deltaCells(
  tx: Transaction,
  found: MeterToRead,
  query: UsageQuery,
  { deltas, deadlineMs }: UsageRunner,
): AsyncGenerator<NamedCell[]> {
  const { acceptsSubject, acceptsGroups } = acceptor(found.meter, query, deadlineMs);
  const subjects = query.subjects || query.groupBySubject ? 'each' : 'all';
  for await (const cells of deltas.of(tx, found, subjects)) {
    if (performance.now() > deadlineMs) throw new UsageTimeout();
    yield [...cells.named(acceptsSubject, acceptsGroups)];
  }
}
