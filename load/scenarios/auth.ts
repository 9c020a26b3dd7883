import { newKeyToken } from '@usage/lib/auth/token.ts';
import { ingest } from '../ingest.ts';
import { round } from '../measure.ts';
import type { Figures, Progress } from '../report.ts';
import type { Scenario } from '../scenario.ts';
import { type Stack, startStack } from '../stack.ts';
import { singleConnections, singleEvents } from './single.ts';

const defaultSeconds = 8;
/**
 * One process of the very same code takes up to 3 % more than another, as it happened to be compiled and laid out: so every
 * round has new ones.
 */
const rounds = 7;
/** Code that is compiled while it is measured would cost more than a key. */
const warmUpSeconds = 6;
/** Of each gateway, the same for all: the slower requests come, the fewer share a frame, and the more each of them costs. */
const requestsPerSecond = 5_000;
/** Far more than one machine sends: the limiter counts, and refuses nothing. */
const neverReached = 1_000_000;

/**
 * What authentication and rate limits cost a gateway: one event a request with AUTH=off, and with AUTH=off and a header that
 * nobody looks at (what the longer request alone costs); at the same time another gateway takes as many with a key, and
 * with a limited key.
 */
export const auth: Scenario = async (run) => {
  if (run.urls) throw new Error('auth compares stacks of its own: leave --url out');
  const runs: Costs[] = [];
  for (let n = 1; n <= rounds; n++) {
    run.progress(`round ${n} of ${rounds}: starting a stack with AUTH=off and one with AUTH=keys`);
    runs.push(await costsOf(run.seconds ?? defaultSeconds, run.progress));
  }
  return { name: 'auth', figures: { rounds, ...figuresOf(runs) } };
};

/** Of the gateway: µs of processor time a request. */
type Costs = Record<'off' | 'offWithHeader' | 'key' | 'limitedKey', number>;

async function costsOf(seconds: number, progress: Progress): Promise<Costs> {
  const open = await startStack({ auth: 'off' });
  try {
    const closed = await startStack();
    try {
      const withHeader = { ...open, headers: { authorization: `Bearer ${newKeyToken().token}` } };
      const key = await withKey(closed, {});
      const limited = { eventsPerSecond: neverReached, requestsPerSecond: neverReached };
      const limitedKey = await withKey(closed, limited);
      progress('warming up');
      for (const [a, b] of [
        [open, key],
        [withHeader, limitedKey],
      ] as const)
        await Promise.all([costOf(a, warmUpSeconds), costOf(b, warmUpSeconds)]);
      progress('AUTH=off and a key');
      const [ofOff, ofKey] = await Promise.all([costOf(open, seconds), costOf(key, seconds)]);
      progress('AUTH=off with a header and a limited key');
      const [ofHeader, ofLimited] = await Promise.all([
        costOf(withHeader, seconds),
        costOf(limitedKey, seconds),
      ]);
      return { off: ofOff, key: ofKey, offWithHeader: ofHeader, limitedKey: ofLimited };
    } finally {
      await closed.stop();
    }
  } finally {
    await open.stop();
  }
}

async function withKey(stack: Stack, limits: Record<string, number>): Promise<Stack> {
  const response = await fetch(`${stack.gatewayUrl}/api/v1/keys`, {
    method: 'POST',
    headers: { ...stack.headers, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'load', scopes: ['ingest'], ...limits }),
  });
  if (!response.ok) throw new Error(`the key can't be made: ${await response.text()}`);
  const { key } = (await response.json()) as { key: string };
  return { ...stack, headers: { authorization: `Bearer ${key}` } };
}

async function costOf(stack: Stack, seconds: number): Promise<number> {
  const plan = {
    workload: singleEvents,
    connections: singleConnections,
    seconds,
    eventsPerSecond: requestsPerSecond,
  };
  const { use, books } = await ingest(stack, plan, () => {});
  return ((use.cpuSeconds.gateway ?? 0) / books.accepted) * 1_000_000;
}

/** Each way beside the one that was measured at the same time. */
function figuresOf(runs: readonly Costs[]): Figures {
  const of = (name: keyof Costs, beside: keyof Costs) => ({
    gatewayMicrosecondsPerRequest: round(median(runs.map((costs) => costs[name])), 2),
    ofOff: round(median(runs.map((costs) => costs[name] / costs[beside])), 3),
    ofOffInEachRound: runs.map((costs) => round(costs[name] / costs[beside], 3)).join(' '),
  });
  return {
    off: { gatewayMicrosecondsPerRequest: round(median(runs.map(({ off }) => off)), 2) },
    offWithHeader: {
      gatewayMicrosecondsPerRequest: round(median(runs.map((costs) => costs.offWithHeader)), 2),
    },
    key: of('key', 'off'),
    limitedKey: of('limitedKey', 'offWithHeader'),
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
