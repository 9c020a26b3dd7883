import { endUs, parseTimeUs } from '@usage/lib/event/time.ts';
import { hourUs } from '@usage/lib/windows/units.ts';
import { type Gateway, lookUp } from './gateway.ts';
import type { ReadyEvent } from './ids.ts';
import { isRefused, type RefusedRow } from './refusals.ts';

/** What the database has of a file already. */
export interface StoredEvents {
  count: number;
  has(event: ReadyEvent): boolean;
  /** Ids that are stored under another source, by that source: the file under another name? */
  elsewhere: Map<string, number>;
  /** Events that arrived before are no longer kept: whether they came from this file isn't known. */
  keptSince: string | undefined;
}

/** The gateway takes 20,000 ids and 2 MB at once. */
const groupMax = 20_000;
const groupCharsMax = 1_000_000;

/** Another time zone makes the same rows other times; who corrects it must find them all the same. */
const marginUs = 48 * hourUs;

/**
 * Passes events through, and asks which of them are stored, group by group; `stored` is complete at the end. `byTime`:
 * what has the id of a row has its time as well, by two days at most; that makes the search quick.
 */
export function lookedUp(
  events: AsyncIterable<ReadyEvent | RefusedRow>,
  gateway: Gateway,
  { byTime, attempts }: { byTime: boolean; attempts: number | undefined },
): { events: AsyncIterable<ReadyEvent | RefusedRow>; stored: StoredEvents } {
  const found = new Set<bigint>();
  const elsewhere = new Map<string, number>();
  const stored: StoredEvents = {
    count: 0,
    has: (event) => found.has(keyOf(event.source, event.id)),
    elsewhere,
    keptSince: undefined,
  };
  const ask = async (group: ReadyEvent[]) => {
    if (group.length === 0) return;
    const answer = await lookUp(
      gateway,
      { ids: group.map(({ id }) => id), ...(byTime && timesOf(group)) },
      attempts,
    );
    stored.keptSince = answer.keptSince;
    const sources = new Map(group.map(({ id, source }) => [id, source]));
    for (const { id, source } of answer.stored) {
      if (sources.get(id) === source) found.add(keyOf(source, id));
      else elsewhere.set(source, (elsewhere.get(source) ?? 0) + 1);
    }
    stored.count = found.size;
  };
  return { events: passing(events, ask), stored };
}

async function* passing(
  events: AsyncIterable<ReadyEvent | RefusedRow>,
  ask: (group: ReadyEvent[]) => Promise<void>,
): AsyncGenerator<ReadyEvent | RefusedRow> {
  let group: ReadyEvent[] = [];
  let chars = 0;
  for await (const event of events) {
    yield event;
    if (isRefused(event)) continue;
    group.push(event);
    chars += event.id.length;
    if (group.length < groupMax && chars < groupCharsMax) continue;
    await ask(group);
    group = [];
    chars = 0;
  }
  await ask(group);
}

/** Their times, where all have one: it bounds the search. */
function timesOf(group: ReadyEvent[]): { from: string; to: string } | undefined {
  let from = Number.POSITIVE_INFINITY;
  let to = Number.NEGATIVE_INFINITY;
  for (const { time } of group) {
    if (time === undefined) return undefined;
    const us = parseTimeUs(time)!;
    from = Math.min(from, us);
    to = Math.max(to, us);
  }
  const text = (us: number) => new Date(Math.floor(us / 1_000)).toISOString();
  return { from: text(Math.max(from - marginUs, 0)), to: text(Math.min(to + marginUs, endUs - 1)) };
}

function keyOf(source: string, id: string): bigint {
  return Bun.hash(JSON.stringify([source, id])) as bigint;
}
