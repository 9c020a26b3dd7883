import type { Fault } from '../fault.ts';
import type { TcpProxy } from '../proxy.ts';
import type { Stack } from '../stack.ts';

function hanging(name: string, about: string, proxyOf: (stack: Stack) => TcpProxy): Fault[] {
  return [
    {
      name: `${name}-stalls`,
      about: `${about}: no byte moves, nothing is closed; then everything goes on (after a minute)`,
      strikesMax: 2,
      async strike({ stack, pause, quick }) {
        proxyOf(stack).stall();
        await pause(quick ? 500 : 60_000, quick ? 3_000 : 60_000);
        proxyOf(stack).resume();
      },
    },
    {
      name: `${name}-vanishes`,
      about: `${about}: the connections of now never move again and are never closed; new ones work`,
      strikesMax: 2,
      async strike({ stack, pause, load, broken }) {
        proxyOf(stack).stall();
        await pause(200, 1_500);
        proxyOf(stack).abandon();
        const settled = async () => Number(await stack.admin.get('{usage}:settled'));
        const [before, startedMs] = [await settled(), performance.now()];
        while ((await settled()) === before && performance.now() - startedMs < 60_000) await Bun.sleep(50);
        const tookMs = Math.round(performance.now() - startedMs);
        if (tookMs > 12_000 && load.totals.accepted > 0)
          broken(`nothing was stored for ${tookMs} ms after the connections had vanished`);
      },
    },
    {
      name: `${name}-cut`,
      about: `${about}: every connection is cut`,
      strikesMax: 6,
      async strike({ stack, pause }) {
        proxyOf(stack).cut();
        await pause(0, 300);
      },
    },
  ];
}

export const networkFaults: Fault[] = [
  ...hanging('postgres-network', 'the way to PostgreSQL', (stack) => stack.postgresProxy),
  ...hanging('redis-network', 'the way to Redis', (stack) => stack.redisProxy),
];
