import { expect, test } from 'bun:test';
import { startTestRedis } from './servers.ts';

const script = `
  import { spawnApp } from '${import.meta.dirname}/spawnApp.ts';
  const app = spawnApp('gateway', JSON.parse(process.argv.at(-1)), 'inherit');
  for await (const bytes of app.stdout) process.stdout.write(bytes);
`;

test('the apps of a test run that is killed end with it', async () => {
  const server = await startTestRedis();
  const env = { PATH: process.env.PATH, REDIS_URL: server.url, API_PORT: '0', AUTH: 'off' };
  const run = Bun.spawn([process.execPath, '-e', script, JSON.stringify(env)], {
    stdout: 'pipe',
    stderr: 'pipe',
  });
  let said = '';
  for await (const bytes of run.stdout.values({ preventCancel: true })) {
    said += new TextDecoder().decode(bytes);
    if (/"msg":"listening".*\n/.test(said)) break;
  }
  const { port } = JSON.parse(said.split('\n').find((line) => line.includes('"msg":"listening"'))!);
  run.kill('SIGKILL');
  // The app holds it open as well: it ends when both are gone.
  await new Response(run.stderr).text();
  await expect(fetch(`http://127.0.0.1:${port}/health/live`)).rejects.toThrow();
  await server.stop();
});
