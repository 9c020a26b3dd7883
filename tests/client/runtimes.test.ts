import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../../scripts/local/ports.ts';
import { stopWithParent } from '../../scripts/local/server.ts';
import { buildClient, findRuntime } from './build.ts';
import { startClientTest } from './stack.ts';

/** The package as it is published, on the runtimes that its README names. */
const [deno, workerd] = await Promise.all([
  findRuntime('deno', '2.9.6'),
  findRuntime('workerd', '1.20261117.1'),
]);
for (const [name, found] of Object.entries({ Deno: deno, workerd }))
  if ('missing' in found) console.log(`The client isn't tested on ${name}: ${found.missing}.`);
const programOf = (found: typeof deno) => ('program' in found ? found.program : '');

let stack: Awaited<ReturnType<typeof startClientTest>>;
let dist: string;
let types = 0;
let type: string;
const startMsMax = 60_000;

beforeAll(async () => {
  [stack, dist] = await Promise.all([startClientTest(), buildClient()]);
  await stack.startGateway();
}, startMsMax);
beforeEach(async () => {
  type = `runtime_${types++}`;
  await stack.meter(type);
});
afterAll(async () => {
  await stack?.stop();
  await rm(dist, { recursive: true, force: true });
}, startMsMax);

const sumTo = (count: number) => (count * (count - 1)) / 2;

/** Tracks 100 events with a spool, and closes. */
async function writeScript(): Promise<string> {
  const path = join(dist, `${type}.js`);
  await Bun.write(
    path,
    `import { UsageClient } from './index.js';
     import { FileSpool } from './spool.js';
     const usage = new UsageClient({ url: '${stack.url}', source: 'runtime', spool: new FileSpool('${join(dist, type)}') });
     for (let n = 0; n < 100; n++) usage.track({ type: '${type}', subject: 's', data: { n } });
     console.log(JSON.stringify(await usage.close()));`,
  );
  return path;
}

test('the main part needs no module of a runtime', async () => {
  for (const file of (await readdir(dist)).filter((name) => name.endsWith('.js') && name !== 'spool.js'))
    expect(await Bun.file(join(dist, file)).text()).not.toMatch(/from '(?!\.)|require\(|Bun\.|Buffer/);
});

test('Node, with a spool', async () => {
  const node = Bun.spawnSync(['node', await writeScript()]);
  expect(node.stdout.toString() + node.stderr.toString()).toBe('{"unsent":0}\n');
  expect(await stack.total(type)).toEqual({ count: 100, sum: sumTo(100) });
});

test.skipIf('missing' in deno)('Deno, with a spool', async () => {
  const run = Bun.spawnSync(
    [
      programOf(deno),
      'run',
      '--no-config',
      '--allow-net',
      '--allow-read',
      '--allow-write',
      await writeScript(),
    ],
    { env: { ...process.env, NO_COLOR: '1', DENO_NO_UPDATE_CHECK: '1', DENO_DIR: join(dist, 'deno') } },
  );
  expect(run.stdout.toString() + run.stderr.toString()).toBe('{"unsent":0}\n');
  expect(await stack.total(type)).toEqual({ count: 100, sum: sumTo(100) });
});

describe.skipIf('missing' in workerd)('workerd, where a client may not outlive its request', () => {
  test('flushed with waitUntil: every event counts once, and queries and errors come through', async () => {
    const worker = await startWorker(`
      import { UsageClient, UsageRequestError } from './index.js';
      export default {
        async fetch(request, env, ctx) {
          if (request.url.endsWith('?up')) return new Response();
          const usage = new UsageClient({ url: '${stack.url}', source: 'edge' });
          const n = Number(new URL(request.url).searchParams.get('n'));
          if (n < 0) {
            const { data } = await usage.query('${type}_sum');
            const error = await usage.query('none').catch((error) => error);
            return Response.json({ value: data[0].value, status: error instanceof UsageRequestError && error.status });
          }
          usage.track({ type: '${type}', subject: 's', data: { n } });
          ctx.waitUntil(usage.flush());
          return new Response('ok');
        },
      };`);
    const answers = Array.from({ length: 50 }, async (_, n) => (await fetch(`${worker.url}?n=${n}`)).text());
    expect(new Set(await Promise.all(answers))).toEqual(new Set(['ok']));
    while ((await stack.total(type)).count < 50) await Bun.sleep(10);
    expect(await stack.total(type)).toEqual({ count: 50, sum: sumTo(50) });
    const answer = await fetch(`${worker.url}?n=-1`);
    expect(await answer.json()).toEqual({ value: sumTo(50), status: 404 });
    // Each client is forgotten with its request: nothing of it stays with the process.
    expect(await worker.stop()).not.toContain('leak');
  });
});

/** A server of Cloudflare's runtime with this worker and the package beside it. */
async function startWorker(source: string) {
  await Bun.write(join(dist, 'worker.js'), source);
  const port = await freePort();
  const modules = [
    'worker.js',
    ...(await readdir(dist)).filter((name) => name.endsWith('.js') && !/^(worker|spool|runtime_)/.test(name)),
  ];
  const list = modules.map((name) => `(name = "${name}", esModule = embed "${name}")`).join(', ');
  const config = join(dist, 'config.capnp');
  await Bun.write(
    config,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (modules = [${list}], compatibilityDate = "2026-11-01")),
    (name = "internet", network = (allow = ["local", "private"]))
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")]
);`,
  );
  const child = Bun.spawn([programOf(workerd), 'serve', config], { stdout: 'pipe', stderr: 'pipe' });
  const said = Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  const callOff = stopWithParent(child.pid, 'TERM');
  const url = `http://127.0.0.1:${port}/`;
  const isUp = () =>
    fetch(`${url}?up`).then(
      () => true,
      () => false,
    );
  while (child.exitCode === null && !(await isUp())) await Bun.sleep(20);
  if (child.exitCode !== null) throw new Error((await said).join(''));
  return {
    url,
    /** Answers with what it said. */
    async stop(): Promise<string> {
      callOff();
      child.kill('SIGTERM');
      return (await said).join('');
    },
  };
}
