import { formatTimeUs } from '@usage/lib/event/time.ts';
import type { EventStream } from '@usage/lib/stream/stream.ts';

/** Longest that `Prefer: wait=N` waits, in seconds. */
export const waitSecondsMax = 10;
const pollMs = 10;

/** How fresh a check is that is read from now on, as headers; none while Redis is away. */
export type Freshness = (request: Request) => Promise<Record<string, string>>;

/**
 * `Usage-As-Of`: usage that arrived before it is in the answer. With `Prefer: wait=N` first waits until all is stored that
 * was accepted before the request, for N seconds at most; `Preference-Applied` says that it came to that.
 */
export function freshnessOf(stream: EventStream): Freshness {
  return async (request) => {
    try {
      const wait = waitMsOf(request.headers.get('prefer'));
      let position = await stream.position();
      const askedMs = position.nowMs;
      const isFresh = () => position.asOfMs >= askedMs || position.eventsWaiting === 0;
      const deadline = performance.now() + (wait ?? 0);
      while (wait !== undefined && !isFresh() && performance.now() < deadline) {
        await Bun.sleep(pollMs);
        position = await stream.position();
      }
      return {
        'Usage-As-Of': formatTimeUs(position.asOfMs * 1_000),
        'Usage-Events-Waiting': String(position.eventsWaiting),
        ...(wait !== undefined && isFresh() && { 'Preference-Applied': 'wait' }),
      };
    } catch {
      return {};
    }
  };
}

function waitMsOf(prefer: string | null): number | undefined {
  const [, seconds] = /(?:^|,)\s*wait\s*=\s*"?(\d{1,4})"?\s*(?:$|[,;])/i.exec(prefer ?? '') ?? [];
  return seconds === undefined ? undefined : Math.min(Number(seconds), waitSecondsMax) * 1_000;
}
