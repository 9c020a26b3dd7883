import type { Fault } from '../fault.ts';
import { LimitsWatch } from '../limitsWatch.ts';
import { metersOf } from '../meters.ts';
import type { Stack } from '../stack.ts';

const watches = new WeakMap<Stack, LimitsWatch>();
/** Webhooks go to the suite itself. */
const stack = { settings: { WEBHOOK_ADDRESSES: 'any' } };
const beside = { limits: {}, limits2: {} };

const watched: Pick<Fault, 'stack' | 'beside' | 'before' | 'after'> = {
  stack,
  beside,
  async before({ stack, type, quick }) {
    const watch = new LimitsWatch(stack, type, quick);
    watches.set(stack, watch);
    await watch.begin(metersOf(type)[1]!.slug);
  },
  async after({ stack, broken, note }) {
    const watch = watches.get(stack)!;
    for (const sentence of await watch.end()) broken(sentence);
    note(watch.note);
  },
};

/** Thresholds lost 0, fired twice 0, webhooks lost 0, holds left 0. */
export const limitsFaults: Fault[] = [
  {
    name: 'limits-killed',
    about:
      'one of two limits services is killed while thresholds fire, webhooks are sent and amounts are held',
    strikesMax: 5,
    ...watched,
    async strike({ stack, random, pause }) {
      await watches.get(stack)!.hold();
      await stack.app(random.pick(['limits', 'limits2'] as const)).kill();
      await pause(0, 1_500);
    },
  },
  {
    name: 'limits-path-killed',
    about: 'whatever stands between an event and its webhook is killed',
    strikesMax: 5,
    ...watched,
    async strike({ stack, random, pause, note }) {
      await watches.get(stack)!.hold();
      const victim = random.pick(['limits', 'limits2', 'processor', 'aggregator', 'gateway'] as const);
      await stack.app(victim).kill();
      note(victim);
      await pause(0, 1_500);
    },
  },
];
