import { describe, expect, test } from 'bun:test';
import type { FramePart } from '@usage/lib/frame/encode.ts';
import fc from 'fast-check';
import { FrameBatcher, type FrameLimits, QueueFull } from './frameBatcher.ts';

const limits: FrameLimits = {
  lingerMs: 2,
  frameBytesMax: 1_000,
  frameEventsMax: 100,
  appendsMax: 2,
  queuedBytesMax: 10_000,
};
const part = (id: number, count = 1): FramePart => ({
  namespace: 'default',
  receivedMs: id,
  events: '[]',
  count,
});

/** Holds every append until the test settles it. */
function heldAppends() {
  const held: { parts: readonly FramePart[]; settle: PromiseWithResolvers<void> }[] = [];
  const arrivals: (() => void)[] = [];
  return {
    held,
    append(parts: readonly FramePart[]) {
      const settle = Promise.withResolvers<void>();
      held.push({ parts, settle });
      for (const arrived of arrivals.splice(0)) arrived();
      return settle.promise;
    },
    /** Resolves when so many appends have begun. */
    async begun(count: number) {
      while (held.length < count) await new Promise<void>((resolve) => arrivals.push(resolve));
    },
    idsOf: () => held.map(({ parts }) => parts.map(({ receivedMs }) => receivedMs)),
  };
}

describe('FrameBatcher', () => {
  test('parts of one turn leave together, those that follow gather until the append is settled', async () => {
    const appends = heldAppends();
    const batcher = new FrameBatcher(appends.append, { ...limits, lingerMs: 60_000 });
    const answers = [batcher.add(part(1), 10), batcher.add(part(2), 10)];
    await appends.begun(1);
    answers.push(batcher.add(part(3), 10), batcher.add(part(4), 10));
    expect(appends.idsOf()).toEqual([[1, 2]]);
    appends.held[0]!.settle.resolve();
    await appends.begun(2);
    appends.held[1]!.settle.resolve();
    await Promise.all(answers);
    expect(appends.idsOf()).toEqual([
      [1, 2],
      [3, 4],
    ]);
  });

  test('a slow append holds others up for no longer than the linger', async () => {
    const appends = heldAppends();
    const batcher = new FrameBatcher(appends.append, limits);
    void batcher.add(part(1), 10);
    await appends.begun(1);
    void batcher.add(part(2), 10);
    await appends.begun(2);
    expect(appends.idsOf()).toEqual([[1], [2]]);
  });

  test('a full frame leaves at once; a part longer than a frame is one of its own', async () => {
    const appends = heldAppends();
    const batcher = new FrameBatcher(appends.append, { ...limits, appendsMax: 10, lingerMs: 60_000 });
    void batcher.add(part(1), 600);
    void batcher.add(part(2), 600);
    void batcher.add(part(3), 5_000);
    void batcher.add(part(4, 60), 10);
    void batcher.add(part(5, 60), 10);
    void batcher.drain();
    expect(appends.idsOf()).toEqual([[1], [2], [3], [4], [5]]);
  });

  test('no more appends on their way than allowed', async () => {
    const appends = heldAppends();
    const batcher = new FrameBatcher(appends.append, limits);
    const answers = [1, 2, 3, 4].map((id) => batcher.add(part(id), 1_000));
    expect(batcher.appending).toBe(2);
    expect(appends.held).toHaveLength(2);
    appends.held[0]!.settle.resolve();
    await answers[0];
    await appends.begun(3);
    expect(batcher.appending).toBe(2);
  });

  test('a failed append rejects exactly its own requests', async () => {
    const appends = heldAppends();
    const batcher = new FrameBatcher(appends.append, { ...limits, lingerMs: 60_000 });
    const first = Promise.allSettled([batcher.add(part(1), 500), batcher.add(part(2), 500)]);
    const second = Promise.allSettled([batcher.add(part(3), 500), batcher.add(part(4), 500)]);
    await appends.begun(2);
    appends.held[0]!.settle.reject(new Error('OOM'));
    appends.held[1]!.settle.resolve();
    expect((await first).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect((await second).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled']);
    expect(batcher.queuedBytes).toBe(0);
  });

  test('beyond its bytes it takes nothing, and takes again when there is room', async () => {
    const appends = heldAppends();
    const batcher = new FrameBatcher(appends.append, { ...limits, queuedBytesMax: 1_500 });
    const first = batcher.add(part(1), 1_000);
    expect(batcher.add(part(2), 501)).rejects.toBeInstanceOf(QueueFull);
    appends.held[0]!.settle.resolve();
    await first;
    void batcher.add(part(3), 501);
    expect(batcher.queuedBytes).toBe(501);
  });

  test('drain ends when everything has been settled', async () => {
    const appends = heldAppends();
    const batcher = new FrameBatcher(appends.append, { ...limits, appendsMax: 1, lingerMs: 60_000 });
    const answers = [batcher.add(part(1), 1_000), batcher.add(part(2), 10)];
    let drained = false;
    const drain = batcher.drain().then(() => {
      drained = true;
    });
    appends.held[0]!.settle.resolve();
    await appends.begun(2);
    expect(drained).toBe(false);
    appends.held[1]!.settle.resolve();
    await Promise.all([...answers, drain]);
    await batcher.drain();
  });

  test('whatever comes, each part is in one frame, within the limits', async () => {
    const request = fc.record({
      count: fc.integer({ min: 1, max: 150 }),
      bytes: fc.integer({ min: 1, max: 1_500 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(request, { maxLength: 40 }),
        fc.integer({ min: 1, max: 3 }),
        async (requests, appendsMax) => {
          const seen: number[] = [];
          const append = async (parts: readonly FramePart[], events: number) => {
            const bytes = parts.reduce((sum, { receivedMs }) => sum + requests[receivedMs]!.bytes, 0);
            if (parts.length > 1 && (bytes > limits.frameBytesMax || events > limits.frameEventsMax))
              throw new Error('too large');
            if (batcher.appending > appendsMax) throw new Error('too many');
            await new Promise((resolve) => setImmediate(resolve));
            seen.push(...parts.map(({ receivedMs }) => receivedMs));
          };
          const batcher = new FrameBatcher(append, { ...limits, appendsMax, queuedBytesMax: 1e9 });
          await Promise.all(requests.map(({ count, bytes }, id) => batcher.add(part(id, count), bytes)));
          await batcher.drain();
          return (
            seen.sort((a, b) => a - b).join() === requests.map((_, id) => id).join() &&
            batcher.queuedBytes === 0
          );
        },
      ),
      { numRuns: 50 },
    );
  });
});
