import type { Fault } from '../fault.ts';
import { olderBuild, olderBuildHindrance } from '../olderBuild.ts';

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
      "every app of a build of this repository's own history on its own schema, two of each: under load the schema is brought up, then every app is replaced by this build one by one, some killed while both run side by side",
    stack: async () => ({ build: (await olderBuild()).folder }),
    beside: { gateway2: {}, processor2: {}, aggregator2: {} },
    strikesMax: 1,
    async strike({ stack, random, pause, note }) {
      const older = await olderBuild();
      await stack.migrate();
      await pause(0, 2_000);
      stack.build = undefined;
      for (const name of inOrder) {
        await stack.remake(name);
        await stack.untilReady([stack.app(name)]);
        if (random.chance(0.3)) await stack.app(random.pick(inOrder)).kill();
        await pause(0, 600);
      }
      note(`from ${older.commit}`);
    },
    skip: async () => olderBuildHindrance(),
  },
];
