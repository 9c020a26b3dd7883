import { expect, test } from 'bun:test';
import { join } from 'node:path';

test('a health check stays in its container, whatever proxy Docker sets', async () => {
  const throughProxy: string[] = [];
  const serve = (answer: (request: Request) => Response) =>
    Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: answer });
  const proxy = serve((request) => {
    throughProxy.push(request.url);
    return new Response('forbidden', { status: 403 });
  });
  const app = serve(({ url }) => new Response('', { status: url.endsWith('/health/live') ? 200 : 503 }));
  const check = async (what: string) => {
    const proxyUrl = `http://127.0.0.1:${proxy.port}`;
    const child = Bun.spawn([process.execPath, 'docker/healthcheck.ts', `${app.port}`, what], {
      cwd: join(import.meta.dirname, '../..'),
      env: { PATH: process.env.PATH, HTTP_PROXY: proxyUrl, http_proxy: proxyUrl, no_proxy: 'example.com' },
      stderr: 'ignore',
    });
    return await child.exited;
  };
  expect([await check('live'), await check('ready')]).toEqual([0, 1]);
  expect(throughProxy).toEqual([]);
  await Promise.all([proxy.stop(true), app.stop(true)]);
});
