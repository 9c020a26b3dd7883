import { expect, test } from 'bun:test';
import { FairLimit } from './fairLimit.ts';

const msMax = 10_000;

test('a namespace leaves connections to others, however much it asks', async () => {
  const turns = new FairLimit(4, 3);
  const order: string[] = [];
  const ask = async (name: string) => {
    if (await turns.begin(name[0]!, msMax)) order.push(name);
  };
  for (const name of ['a1', 'a2', 'a3', 'a4', 'a5']) void ask(name);
  void ask('b1');
  await Promise.resolve();
  await Promise.resolve();
  expect(order).toEqual(['a1', 'a2', 'a3', 'b1']);
});

test('the namespace that runs the fewest goes first; within it, who came first', async () => {
  const turns = new FairLimit(2, 2);
  const order: string[] = [];
  const ask = async (name: string) => {
    if (await turns.begin(name[0]!, msMax)) order.push(name);
  };
  for (const name of ['a1', 'a2', 'a3', 'a4', 'b1', 'b2']) void ask(name);
  for (let freed = 0; freed < 4; freed++) {
    await new Promise((resolve) => setImmediate(resolve));
    turns.end(order[freed]![0]!);
  }
  await new Promise((resolve) => setImmediate(resolve));
  expect(order).toEqual(['a1', 'a2', 'b1', 'a3', 'b2', 'a4']);
});

test('a wait ends when its time is over, and takes no turn', async () => {
  const turns = new FairLimit(1, 1);
  expect(await turns.begin('a', msMax)).toBe(true);
  expect(await turns.begin('b', 1)).toBe(false);
  turns.end('a');
  expect(await turns.begin('c', msMax)).toBe(true);
});
