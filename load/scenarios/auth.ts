import { newKeyToken } from '@usage/lib/auth/token.ts';
import { ingest } from '../ingest.ts';
import { round } from '../measure.ts';
import type { Figures } from '../report.ts';
import type { Scenario } from '../scenario.ts';
import { type Stack, startStack } from '../stack.ts';
import { singleConnections, singleEvents } from './single.ts';

const defaultSeconds = 6;
const rounds = 5;
/** The same for all: the slower requests come, the fewer share a frame, and the more each of them costs. */
const requestsPerSecond = 12_000;
/** Code that is compiled while it is measured costs as much as a key: each way is gone first, for as long as that takes. */
const warmUpSeconds = 8;
/** Far more than one machine sends: the limiter counts, and refuses nothing. */
const neverReached = 1_000_000;

/**
 * What authentication and rate limits cost a gateway: one event a request with AUTH=off, with AUTH=off and a header that
 * nobody looks at (what the longer request alone costs), with a key, and with a limited key, in turns.
 */
export const auth: Scenario = async (run) => {
  if (run.urls) throw new Error('auth compares stacks of its own: leave --url out');
  run.progress('starting a stack with AUTH=off and one with AUTH=keys');
  const open = await startStack({ auth: 'off' });
  try {
    const closed = await startStack();
    try {
      const asked: Record<string, Stack> = {
        off: open,
        offWithHeader: { ...open, headers: { authorization: `Bearer ${newKeyToken().token}` } },
        key: await withKey(closed, {}),
        limitedKey: await withKey(closed, {
          eventsPerSecond: neverReached,
          requestsPerSecond: neverReached,
        }),
      };
      for (const [name, stack] of Object.entries(asked)) {
        run.progress(`warming up: ${name}`);
        await costOf(stack, warmUpSeconds);
      }
      const runs: Record<string, { cpu: number; rate: number }[]> = {};
      for (let n = 1; n <= rounds; n++) {
        for (const [name, stack] of Object.entries(asked)) {
          run.progress(`round ${n} of ${rounds}: ${name}`);
          runs[name] ??= [];
          runs[name].push(await costOf(stack, run.seconds ?? defaultSeconds));
        }
      }
      return { name: 'auth', figures: { rounds, ...figuresOf(runs) } };
    } finally {
      await closed.stop();
    }
  } finally {
    await open.stop();
  }
};

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

/** Of the gateway: µs of processor time a request; and requests a second. */
async function costOf(stack: Stack, seconds: number): Promise<{ cpu: number; rate: number }> {
  const plan = {
    workload: singleEvents,
    connections: singleConnections,
    seconds,
    eventsPerSecond: requestsPerSecond,
  };
  const { use, books, acceptedPerSecond } = await ingest(stack, plan, () => {});
  return {
    cpu: ((use.cpuSeconds.gateway ?? 0) / books.accepted) * 1_000_000,
    rate: acceptedPerSecond,
  };
}

function figuresOf(runs: Record<string, { cpu: number; rate: number }[]>): Figures {
  const cpuOff = median(runs.off!.map(({ cpu }) => cpu));
  return Object.fromEntries(
    Object.entries(runs).map(([name, costs]) => {
      const cpu = median(costs.map((cost) => cost.cpu));
      const figures = {
        requestsPerSecond: Math.round(median(costs.map((cost) => cost.rate))),
        gatewayMicrosecondsPerRequest: round(cpu, 2),
        leastMicroseconds: round(Math.min(...costs.map((cost) => cost.cpu)), 2),
        ofOff: round(cpu / cpuOff, 3),
      };
      return [name, figures];
    }),
  );
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
