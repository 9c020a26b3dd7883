import type { Fault } from '../fault.ts';
import { olderBuild, olderBuildHindrance } from '../olderBuild.ts';
import type { AppName } from '../stackOptions.ts';

/** The order of docker/rolling-update.sh: what reads comes before what writes. */
const inOrder = [
  'query',
  'processor',
  'processor2',
  'aggregator',
  'aggregator2',
  'gateway',
  'gateway2',
] as const;

export const upgradeFaults: Fault[] = [
  {
    name: 'rolling-restart',
    about: 'gateways of frame version 1 and 2 and two processors; every app is restarted in turn under load',
    orderly: true,
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
  {
    name: 'upgrade-from-older-build',
    about:
      "every app of a build of this repository's own history, two of each: replaced by this build one by one under load, some killed while both run side by side; back to the older one now and then, and forward again",
    stack: async () => ({ build: (await olderBuild()).folder }),
    beside: { gateway2: {}, processor2: {}, aggregator2: {} },
    strikesMax: 2,
    async strike({ stack, random, pause, note }, number) {
      const older = await olderBuild();
      const replaceAll = async (build: string | undefined, order: readonly AppName[]) => {
        stack.build = build;
        for (const name of order) {
          await stack.remake(name);
          // An older one may wait for its turn: what newer ones write may be more than it knows.
          await stack.untilReady([stack.app(name)]);
          if (random.chance(0.3)) await stack.app(random.pick(inOrder)).kill();
          await pause(0, 600);
        }
      };
      // Going back, gateways come first: the older processors know no newer frames.
      if (number > 0) await replaceAll(older.folder, inOrder.toReversed());
      await replaceAll(undefined, inOrder);
      note(number > 0 ? `back to ${older.commit} and forward` : `from ${older.commit}`);
    },
    skip: async () => olderBuildHindrance(),
  },
];
