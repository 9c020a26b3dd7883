import { expect, test } from 'bun:test';
import { createLog } from '../service/log.ts';
import { type ActiveKey, noLimits } from './key.ts';
import { KeyRing } from './keyRing.ts';
import { newKeyToken } from './token.ts';

const log = createLog('keys', 'silent');

function newKey() {
  const { token, prefix, hash } = newKeyToken();
  const key = { id: prefix, namespace: 'default', name: prefix, prefix, scopes: [], limits: noLimits };
  return { token, key: { ...key, secretHash: hash } satisfies ActiveKey };
}

/** A ring over keys that a test changes; each load makes new objects, as the database does. */
function ringOf(...keys: ActiveKey[]) {
  let state = 'state 1';
  const source = {
    state: async () => state,
    keys: async () => keys.map((key) => ({ ...key })),
    reset() {},
  };
  const ring = new KeyRing(source, log);
  const change = async (...next: ActiveKey[]) => {
    keys = next;
    state = crypto.randomUUID();
    await ring.look();
  };
  return { ring, change, source };
}

test('a key is found by all of its text, the first time and after that', async () => {
  const { token, key } = newKey();
  const { ring } = ringOf(key);
  await ring.look();
  const wrong = [
    token.slice(0, -1),
    `${token}x`,
    `${token.slice(0, -1)}_`,
    token.toUpperCase(),
    '',
    token.slice(1),
  ];
  for (const _ of [1, 2]) {
    for (const text of wrong) expect(ring.find(text)).toBeUndefined();
    expect(ring.find(token)?.id).toBe(key.id);
  }
});

test('a key that was found is not found any more once it is revoked, nor is one with its prefix', async () => {
  const [one, other] = [newKey(), newKey()];
  const { ring, change } = ringOf(one.key, other.key);
  await ring.look();
  expect([ring.find(one.token)?.id, ring.find(other.token)?.id]).toEqual([one.key.id, other.key.id]);
  await change(other.key);
  expect([ring.find(one.token), ring.find(other.token)?.id]).toEqual([undefined, other.key.id]);
  const heir = { ...newKey().key, prefix: one.key.prefix };
  await change(other.key, heir);
  expect(ring.find(one.token)).toBeUndefined();
});

test('a change of other keys leaves a key the object that it is, and so the limits that hang on it', async () => {
  const [one, other] = [newKey(), newKey()];
  const { ring, change } = ringOf(one.key);
  await ring.look();
  const before = ring.find(one.token)!;
  await change(one.key, other.key);
  expect(ring.find(one.token)).toBe(before);
  await change({ ...one.key, id: 'another' });
  expect(ring.find(one.token)).not.toBe(before);
});

test('a database that went back to an older state of the keys is followed', async () => {
  const [one, other] = [newKey(), newKey()];
  const { ring, change, source } = ringOf(one.key);
  await ring.look();
  const before = await source.state();
  await change(one.key, other.key);
  expect(ring.find(other.token)?.id).toBe(other.key.id);
  source.state = async () => before;
  source.keys = async () => [one.key];
  await ring.look();
  expect([ring.find(one.token)?.id, ring.find(other.token)]).toEqual([one.key.id, undefined]);
});

test('a look that ends after a newer one changes nothing', async () => {
  const [one, other] = [newKey(), newKey()];
  const { ring, source } = ringOf(one.key);
  const { promise: older, resolve } = Promise.withResolvers<ActiveKey[]>();
  source.state = async () => 'older';
  source.keys = () => older;
  const late = ring.look();
  await late; // given up after its limit
  source.state = async () => 'newer';
  source.keys = async () => [other.key];
  await ring.look();
  resolve([one.key]);
  await older;
  expect([ring.find(one.token), ring.find(other.token)?.id]).toEqual([undefined, other.key.id]);
});
