import type { Fault } from '../fault.ts';

export const upgradeFaults: Fault[] = [
  {
    name: 'rolling-restart',
    about: 'gateways of frame version 1 and 2 and two processors; every app is restarted in turn under load',
    beside: { gateway2: { FRAME_VERSION: '1' }, processor2: {}, aggregator2: {} },
    strikesMax: 1,
    async strike({ stack, random, broken, pause }) {
      for (const app of random.shuffled([...stack.apps.values()])) {
        if (!(await app.stop())) broken(`${app.name} did not end with exit code 0 after SIGTERM`);
        app.start();
        await stack.untilReady();
        await pause(0, 200);
      }
    },
  },
];
