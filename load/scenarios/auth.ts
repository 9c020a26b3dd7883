import { ingest } from '../ingest.ts';
import { median, round } from '../measure.ts';
import type { Figures, Progress } from '../report.ts';
import type { Scenario } from '../scenario.ts';
import { type Stack, startStack } from '../stack.ts';
import { singleConnections, singleEvents } from './single.ts';

const defaultSeconds = 8;
/**
 * One process of the very same code takes up to 3 % more than another, as it happened to be compiled and laid out: so every
 * round has new ones.
 */
const rounds = 5;
/** Code that is compiled while it is measured would cost more than a key. */
const warmUpSeconds = 6;
/** Of each gateway, the same for all: the slower requests come, the fewer share a frame, and the more each of them costs. */
const requestsPerSecond = 4_000;
/** Far more than one machine sends: the limiter counts, and refuses nothing. */
const neverReached = 1_000_000;

/**
 * What authentication and rate limits cost a gateway: one event a request with AUTH=off, while another gateway takes as
 * many with a key; then the same beside a limited key. The key's longer request counts as its cost.
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

interface Cost {
  /** Of the gateway's processor time. */
  microsecondsPerRequest: number;
  requestsPerSecond: number;
}

/** Two gateways at the same time. */
interface Pair {
  off: Cost;
  other: Cost;
}

type Costs = Record<'key' | 'limitedKey', Pair>;

async function costsOf(seconds: number, progress: Progress): Promise<Costs> {
  const open = await startStack({ auth: 'off' });
  try {
    const closed = await startStack();
    try {
      const limits = { eventsPerSecond: neverReached, requestsPerSecond: neverReached };
      const keys = { key: await withKey(closed, {}), limitedKey: await withKey(closed, limits) };
      progress('warming up');
      for (const stack of Object.values(keys)) await pairOf(open, stack, warmUpSeconds);
      progress('AUTH=off beside a key');
      const key = await pairOf(open, keys.key, seconds);
      progress('AUTH=off beside a limited key');
      return { key, limitedKey: await pairOf(open, keys.limitedKey, seconds) };
    } finally {
      await closed.stop();
    }
  } finally {
    await open.stop();
  }
}

async function pairOf(open: Stack, closed: Stack, seconds: number): Promise<Pair> {
  const [off, other] = await Promise.allSettled([costOf(open, seconds), costOf(closed, seconds)]);
  if (off.status === 'rejected') throw off.reason;
  if (other.status === 'rejected') throw other.reason;
  return { off: off.value, other: other.value };
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

async function costOf(stack: Stack, seconds: number): Promise<Cost> {
  const plan = {
    workload: singleEvents,
    connections: singleConnections,
    seconds,
    eventsPerSecond: requestsPerSecond,
  };
  const { use, reconciliation, driven, acceptedPerSecond } = await ingest(stack, plan, () => {});
  const refused = Object.keys(driven.statuses).filter((status) => status !== '204');
  if (refused.length > 0) throw new Error(`not all requests were taken: ${JSON.stringify(driven.statuses)}`);
  const microsecondsPerRequest = ((use.cpuSeconds.gateway ?? 0) / reconciliation.accepted) * 1_000_000;
  return { microsecondsPerRequest, requestsPerSecond: acceptedPerSecond };
}

function figuresOf(runs: readonly Costs[]): Figures {
  const beside = (name: keyof Costs) => {
    const pairs = runs.map((costs) => costs[name]);
    const ratios = pairs.map(({ off, other }) => other.microsecondsPerRequest / off.microsecondsPerRequest);
    return {
      gatewayMicrosecondsPerRequest: round(median(pairs.map(({ other }) => other.microsecondsPerRequest)), 2),
      withAuthOff: round(median(pairs.map(({ off }) => off.microsecondsPerRequest)), 2),
      requestsPerSecond: Math.round(median(pairs.map(({ other }) => other.requestsPerSecond))),
      requestsPerSecondWithAuthOff: Math.round(median(pairs.map(({ off }) => off.requestsPerSecond))),
      ratio: round(median(ratios), 3),
      ratioInEachRound: ratios.map((ratio) => round(ratio, 3)).join(' '),
    };
  };
  return { key: beside('key'), limitedKey: beside('limitedKey') };
}
