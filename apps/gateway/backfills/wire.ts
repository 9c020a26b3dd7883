import type { NewBackfill as NewRow, Replaces, StoredBackfill } from '@usage/db/backfills/backfills.ts';
import { formatTimeUs, parseTimeUs } from '@usage/lib/event/time.ts';
import { invalid } from '@usage/lib/http/invalid.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import type { NewBackfill } from './model.ts';

export type State = 'open' | 'closed' | 'reverted';

export function stateOf({ closed_at: closedAt, reverted_at: revertedAt }: StoredBackfill): State {
  if (revertedAt) return 'reverted';
  return closedAt ? 'closed' : 'open';
}

/** Problems: 400 where its range is empty. */
export function toRow({ id, reason, replaces }: NewBackfill): NewRow {
  if (!replaces) return { id, reason, replaces: undefined };
  const range = { fromUs: parseTimeUs(replaces.from)!, toUs: parseTimeUs(replaces.to)! };
  if (range.fromUs >= range.toUs)
    throw invalid('backfill', [{ field: 'replaces', reason: 'from must be before to' }]);
  return { id, reason, replaces: { types: replaces.types, subjects: replaces.subjects, ...range } };
}

/** Which events it replaces; undefined: none. */
export function rangeOf(stored: StoredBackfill): Replaces | undefined {
  const { replaces_types: types, replaces_subjects: subjects } = stored;
  if (types === null) return undefined;
  return {
    types,
    subjects: subjects ?? undefined,
    fromUs: stored.replaces_from_us!,
    toUs: stored.replaces_to_us!,
  };
}

export function toWire(stored: StoredBackfill) {
  const range = rangeOf(stored);
  const { closed_at: closedAt, reverted_at: revertedAt } = stored;
  return {
    id: stored.id,
    reason: stored.reason,
    state: stateOf(stored),
    ...(range && {
      replaces: {
        types: range.types,
        ...(range.subjects && { subjects: range.subjects }),
        from: formatTimeUs(range.fromUs),
        to: formatTimeUs(range.toUs),
      },
    }),
    events: stored.events,
    ...(stored.counted !== null && {
      closing: { counted: stored.counted, duplicates: stored.duplicates, replaced: stored.replaced },
    }),
    createdAt: stored.created_at.toISOString(),
    createdBy: stored.created_by,
    ...(closedAt && { closedAt: closedAt.toISOString(), closedBy: stored.closed_by }),
    ...(revertedAt && { revertedAt: revertedAt.toISOString(), revertedBy: stored.reverted_by }),
  };
}
export type Wire = ReturnType<typeof toWire>;

export function notFound(id: string): Problem {
  return new Problem('not_found', `There is no backfill ${JSON.stringify(id.slice(0, 64))}.`);
}
