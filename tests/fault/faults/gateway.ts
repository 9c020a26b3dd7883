import type { Fault } from '../fault.ts';
import type { AppName } from '../stackOptions.ts';

export const gatewayFaults: Fault[] = [
  {
    name: 'gateway-killed',
    about: 'SIGKILL with requests in flight',
    strikesMax: 5,
    async strike({ stack, pause }) {
      await stack.app('gateway').kill();
      await pause(0, 1_000);
    },
  },
  {
    name: 'gateway-killed-beside-another',
    about: 'one of two is killed: clients go on with the other',
    beside: { gateway2: {} },
    strikesMax: 5,
    async strike({ stack, random, pause }) {
      await stack.app(random.pick(['gateway', 'gateway2'] as const)).kill();
      await pause(0, 1_000);
    },
  },
  {
    name: 'apps-terminated',
    about: 'SIGTERM under load, each app in turn: exit 0 within its deadline, no taken request dropped',
    orderly: true,
    strikesMax: 4,
    async strike({ stack, random, broken, pause }) {
      const name = random.pick(['gateway', 'processor', 'aggregator', 'query'] as const satisfies AppName[]);
      const app = stack.app(name);
      const startedMs = performance.now();
      const orderly = await app.stop();
      const tookMs = Math.round(performance.now() - startedMs);
      if (!orderly) broken(`${name} did not end with exit code 0 after SIGTERM (${tookMs} ms)`);
      await pause(0, 500);
      app.start();
    },
  },
];
