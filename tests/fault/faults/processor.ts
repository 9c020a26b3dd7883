import type { Fault } from '../fault.ts';

const failPoints = ['read', 'after-copy', 'before-commit', 'after-commit', 'after-ack'] as const;
const endMsMax = 20_000;

export const processorFaults: Fault[] = [
  {
    name: 'processor-killed',
    about: 'SIGKILL at a random moment',
    strikesMax: 5,
    async strike({ stack, pause }) {
      await stack.app('processor').kill();
      await pause(0, 1_500);
    },
  },
  {
    name: 'processor-killed-beside-another',
    about: 'one of two is killed and does not come back: the other takes over what it held',
    beside: { processor2: {} },
    strikesMax: 2,
    async strike({ stack, random, pause }) {
      const victim = stack.app(random.pick(['processor', 'processor2'] as const));
      await victim.end();
      await pause(500, 3_000);
      victim.start();
    },
  },
  {
    name: 'processor-fail-points',
    about: `killed at a step: ${failPoints.join(', ')}`,
    strikesMax: 5,
    async strike({ stack, random, note }) {
      const step = random.pick(failPoints);
      const pass = random.between(1, 4);
      const processor = stack.app('processor');
      await processor.end();
      processor.start({ USAGE_FAIL_POINT: `${step}:${pass}` });
      const reached = await processor.endsWithin(endMsMax);
      note(`${step}:${pass}${reached ? '' : ' not reached'}`);
    },
  },
  {
    name: 'processor-frozen',
    about: 'SIGSTOP while it holds frames, which another claims; then it goes on',
    beside: { processor2: {} },
    strikesMax: 1,
    async strike({ stack, random, quick, broken }) {
      const frozen = stack.app(random.pick(['processor', 'processor2'] as const));
      frozen.freeze();
      const away = quick ? 12_000 : 60_000;
      await Bun.sleep(away);
      const first = await oldestFrameMs(stack);
      if (away >= 12_000 && first > 10_000)
        broken(
          `a frozen processor holds frames back: the oldest has waited ${Math.round(first)} ms after ${away} ms`,
        );
      frozen.thaw();
    },
  },
];

async function oldestFrameMs(stack: Parameters<Fault['strike']>[0]['stack']): Promise<number> {
  const [first] = await stack.admin.xrange('{usage}:events', '-', '+', 'COUNT', 1);
  return first ? Date.now() - Number(first[0].split('-')[0]) : 0;
}
