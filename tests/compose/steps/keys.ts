import { randomBytes } from 'node:crypto';
import type { Ledger } from '../ledger.ts';
import { run, type Stack } from '../stack.ts';
import { described } from './faults.ts';
import { healthyAll } from './start.ts';

const loadMs = 2_000;

/** AUTH=keys with the profile production: nobody in without a key, and each key may do what it was made for. */
export async function keysAreAsked(stack: Stack, ledger: Ledger): Promise<string> {
  for (const service of ['api_gateway', 'query_service']) {
    const once = ['--profile', 'production', 'run', '--rm', '--no-deps', '-T', '-e', 'AUTH=keys', service];
    const { code, stdout, stderr } = await run([...stack.compose, ...once], stack.env, 60_000);
    if (code !== 1 || !/There is no API key yet\. Set ADMIN_API_KEY/.test(stdout + stderr))
      throw new Error(`${service} starts with AUTH=keys and no key: ${code} ${stdout}${stderr}`);
  }
  const admin = randomBytes(32).toString('hex');
  Object.assign(stack.env, { AUTH: 'keys', ADMIN_API_KEY: admin });
  await stack.must(['--profile', 'production', 'up', '-d', '--no-build', '--scale', 'api_gateway=2']);
  await stack.waitHealthy({ ...healthyAll, api_gateway: 2, nginx: 1 });

  const sender = await makeKey(stack, admin, ['ingest']);
  const reader = await makeKey(stack, admin, ['read']);
  const outcomes: [string, number, number][] = [
    ['no key sends', await send(stack, undefined), 401],
    ['a wrong key sends', await send(stack, `${sender.slice(0, -1)}!`), 401],
    ['a reading key sends', await send(stack, reader), 403],
    ['no key reads', await read(stack, undefined), 401],
    ['a sending key reads', await read(stack, sender), 403],
    ['a reading key reads', await read(stack, reader), 200],
  ];
  const wrong = outcomes.filter(([, got, wanted]) => got !== wanted);
  if (wrong.length > 0) throw new Error(wrong.map(([what, got]) => `${what}: ${got}`).join(', '));

  ledger.readKey = reader;
  const load = ledger.load({ url: stack.nginxUrl, key: sender });
  await Bun.sleep(loadMs);
  const reconciliation = await ledger.close(load);
  if (reconciliation.failures.size > 0) throw new Error(`requests failed: ${described(reconciliation)}`);
  const balance = await ledger.balance();

  ledger.readKey = undefined;
  Object.assign(stack.env, { AUTH: 'off', ADMIN_API_KEY: '' });
  await stack.must(['--profile', 'production', 'up', '-d', '--no-build']);
  await stack.waitHealthy({ ...healthyAll, nginx: 1 });
  return `no start without ADMIN_API_KEY; ${outcomes.map(([what, got]) => `${what}: ${got}`).join(', ')}; with a made key through nginx ${described(reconciliation)}; ${balance}`;
}

async function makeKey(stack: Stack, admin: string, scopes: string[]): Promise<string> {
  const response = await fetch(`${stack.nginxUrl}/api/v1/keys`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${admin}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ name: scopes.join(), scopes }),
  });
  if (response.status !== 201) throw new Error(`no key made: ${response.status} ${await response.text()}`);
  const { key } = (await response.json()) as { key: string };
  // Every replica knows it within a second.
  await Bun.sleep(1_500);
  return key;
}

function bearer(key: string | undefined): Record<string, string> {
  return key === undefined ? {} : { Authorization: `Bearer ${key}` };
}

/** An event that no meter counts, refused or not. */
async function send(stack: Stack, key: string | undefined): Promise<number> {
  const response = await fetch(`${stack.nginxUrl}/api/v1/events`, {
    method: 'POST',
    headers: { ...bearer(key), 'Content-Type': 'application/cloudevents+json' },
    body: JSON.stringify({ specversion: '1.0', id: 'x', source: 'keys', type: 'keys', subject: 'x' }),
  });
  return response.status;
}

async function read(stack: Stack, key: string | undefined): Promise<number> {
  const url = `${stack.nginxUrl}/api/v1/meters/tokens/query`;
  return (await fetch(url, { headers: bearer(key) })).status;
}
