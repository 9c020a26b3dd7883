import { expect, test } from 'bun:test';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { root } from './stack.ts';

/** .env.example against what compose.yaml and compose.dev.yaml really read. */
const read = (name: string) => readFile(join(root, name), 'utf8');
const [compose, dev, ha, alloy, example] = await Promise.all(
  ['compose.yaml', 'compose.dev.yaml', 'compose.ha.yaml', 'compose.alloy.yaml', '.env.example'].map(read),
);

/** Of each variable: the default of every place that reads it. */
function defaultsOf(text: string): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  // $$ is a dollar sign of the container's shell.
  for (const [, name, ifMissing] of text.matchAll(/(?<!\$)\$\{([A-Z][A-Z0-9_]*)(?::-([^}]*))?\}/g))
    found.set(name!, (found.get(name!) ?? new Set()).add(ifMissing ?? '(none)'));
  return found;
}

/** Compose's own. */
const notOurs = ['COMPOSE_PROJECT_NAME', 'COMPOSE_PROFILES'];
/** A line that is commented out explains a setting as well. */
const shown = new Map([...example!.matchAll(/^(?:# )?([A-Z][A-Z0-9_]*)=(.*)$/gm)].map((m) => [m[1]!, m[2]!]));

test('.env.example holds every variable with the default of the file that it is first read in, and no other', () => {
  const all = new Map([alloy, ha, compose].flatMap((text) => [...defaultsOf(text!)]));
  const wanted = [...all].map(([name, defaults]) => `${name}=${[...defaults].join(' or ')}`);
  const own = [...shown].filter(([name]) => !notOurs.includes(name));
  expect(own.map(([name, value]) => `${name}=${value}`).sort()).toEqual(wanted.sort());
});

test('compose.dev.yaml reads no variable that .env.example leaves out', () => {
  expect([...defaultsOf(dev!).keys()].filter((name) => !shown.has(name))).toEqual([]);
});

test('every setting of .env.example is explained', () => {
  let explained = false;
  const bare: string[] = [];
  for (const line of example!.split('\n')) {
    const setting = /^(?:# )?([A-Z][A-Z0-9_]*)=/.exec(line);
    if (line === '') explained = false;
    else if (!setting) explained = true;
    else if (!explained) bare.push(setting[1]!);
  }
  expect(bare).toEqual([]);
});

test('no reference to a variable is written in a way that this test overlooks', () => {
  const references = (text: string) => text.replaceAll('$$', '').match(/\$/g)?.length ?? 0;
  const understood = (text: string) => text.match(/(?<!\$)\$\{[A-Z][A-Z0-9_]*(?::-[^}]*)?\}/g)?.length ?? 0;
  for (const text of [compose!, dev!, ha!, alloy!]) expect(understood(text)).toBe(references(text));
});
