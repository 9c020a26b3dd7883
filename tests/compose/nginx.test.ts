import { expect, test } from 'bun:test';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

test('nginx asks the DNS for every target anew: one literal name would be looked up once, for all that go there', async () => {
  const conf = await readFile(join(import.meta.dirname, '../../docker/nginx.conf'), 'utf8');
  const targets = [...conf.matchAll(/^\s*proxy_pass (.*);$/gm)].map(([, target]) => target!);
  expect(targets.length).toBeGreaterThan(2);
  expect(targets.filter((target) => !/^https?:\/\/\$\w+$/.test(target))).toEqual([]);
});
