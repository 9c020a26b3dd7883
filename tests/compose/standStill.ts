import { existsSync } from 'node:fs';

/**
 * Preloaded into a processor or an aggregator (`bun --preload`): once /tmp/still is there its loop never comes round
 * again, while the process lives and answers HTTP, as after a promise that somebody forgot to settle.
 */
type Method = (...args: unknown[]) => unknown;
const app = process.argv[1] ?? '';
if (app.includes('processor')) {
  const path = '/app/apps/processor/frameConsumer.ts';
  standStillIn((await import(path)).FrameConsumer.prototype, 'read');
} else {
  standStillIn((await import('@usage/lib/service/app.ts')).App.prototype, 'pause');
}

function standStillIn(prototype: object, name: string): void {
  const methods = prototype as Record<string, Method>;
  const original = methods[name]!;
  methods[name] = function (...args) {
    return existsSync('/tmp/still') ? new Promise(() => {}) : original.apply(this, args);
  };
}
