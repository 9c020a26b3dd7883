import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type RunningApps, startApps } from '../support/apps.ts';

/** The worked example of docs/limits.md, as it stands there, against the real processes. */

let apps: RunningApps;
let hook: ReturnType<typeof Bun.serve>;
const received: { data: { threshold: { value: number } } }[] = [];
const startMsMax = 60_000;

beforeAll(async () => {
  apps = await startApps({ WEBHOOK_ADDRESSES: 'any' });
  hook = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      received.push((await request.json()) as (typeof received)[0]);
      return new Response();
    },
  });
}, startMsMax);
afterAll(async () => {
  await apps?.stop();
  await hook?.stop(true);
}, startMsMax);

test('from nothing to the webhook', async () => {
  const text = await readFile(join(import.meta.dirname, '../../docs/limits.md'), 'utf8');
  const [, script] = /<!-- worked example.*?```sh\n(.*?)```/s.exec(text)!;
  const own = script!
    .replace(/^API=.*$/m, `API=${apps.url}`)
    .replace('wait=5', 'wait=10') // a busy machine
    .replace(/^HOOK=.*$/m, `HOOK=http://127.0.0.1:${hook.port}/`);
  const shell = Bun.spawn(['bash', '-euo', 'pipefail', '-c', own], { stdout: 'pipe', stderr: 'inherit' });
  const output = await new Response(shell.stdout).text();
  expect(await shell.exited).toBe(0);
  expect(output).toContain('{"hasAccess":true,"balance":1000,');
  expect(output).toContain('{"hasAccess":false,"balance":0,');
  const deadline = performance.now() + 40_000;
  while (!received.some(({ data }) => data.threshold.value === 100) && performance.now() < deadline)
    await Bun.sleep(20);
  expect(received.map(({ data }) => data.threshold.value)).toContain(100);
}, 120_000);
