import { useQuery } from '@tanstack/preact-query';
import { useEffect, useRef, useState } from 'preact/hooks';
import { api, dataOf } from '../../api/client.ts';
import { type IngestedEvent, useActivity } from '../../api/queries.ts';
import { keyOf } from './eventRow.tsx';

const pollMs = 1_000;
const eventsPerPoll = 100;
/** What the page holds: the newest of them. */
const heldMax = 500;
const ratePollMs = 5_000;

export interface Tail {
  events: IngestedEvent[];
  error: Error | null;
  isPending: boolean;
  /** More came in the last second than were fetched: what is shown is a sample. */
  isSampled: boolean;
  /** Events stored a second in the last whole step of ten seconds, of the whole namespace. */
  perSecond: number | undefined;
}

/** The newest events, as they come: at most 100 a second are fetched, however many there are. */
export function useTail(filter: string | undefined, isOn: boolean): Tail {
  const held = useRef<{ filter: string | undefined; events: IngestedEvent[] }>({ filter, events: [] });
  const [isSampled, setSampled] = useState(false);
  const newest = useQuery({
    queryKey: ['tail', filter],
    queryFn: ({ signal }) =>
      dataOf(
        api.GET('/api/v2/events', {
          params: { query: { limit: eventsPerPoll, ...(filter && { filter }) } },
          signal,
        }),
      ),
    refetchInterval: pollMs,
    enabled: isOn,
    gcTime: 0,
    structuralSharing: false,
  });
  const rate = useActivity(1, ratePollMs, isOn);
  const items = newest.data?.items;
  const [events, setEvents] = useState<IngestedEvent[]>([]);
  useEffect(() => {
    if (!items) return;
    const before = held.current.filter === filter ? held.current.events : [];
    const known = new Set(before.map(keyOf));
    const fresh = items.filter((item) => !known.has(keyOf(item)));
    if (fresh.length === 0 && before.length > 0) return setSampled(false);
    setSampled(before.length > 0 && fresh.length === eventsPerPoll);
    held.current = { filter, events: [...fresh, ...before].slice(0, heldMax) };
    setEvents(held.current.events);
  }, [items, filter]);
  const step = rate.data?.steps.at(-2);
  return {
    events: held.current.filter === filter ? events : [],
    error: newest.error,
    isPending: newest.isPending,
    isSampled,
    perSecond: step && rate.data ? step.stored / rate.data.stepSeconds : undefined,
  };
}
