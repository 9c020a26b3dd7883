import { createServer } from 'node:net';
import { join } from 'node:path';
import { type RunningApps, startApps } from '../support/apps.ts';
import { spawnApp } from '../support/spawnApp.ts';

/** The real apps, with a second gateway on a port that stays the same while it is killed and started again. */
export async function startClientTest() {
  const apps = await startApps();
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const env = {
    ...process.env,
    DATABASE_URL: apps.database.url,
    REDIS_URL: apps.redis.url,
    QUERY_URL: apps.queryUrl,
    LIMITS_URL: apps.limitsUrl,
    API_PORT: String(port),
    AUTH: 'off',
  };
  let gateway: ReturnType<typeof spawnApp> | undefined;
  return {
    apps,
    url,
    async startGateway(): Promise<void> {
      const child = spawnApp('gateway', env, 'inherit');
      gateway = child;
      void new Response(child.stdout as ReadableStream).text();
      const isReady = () =>
        fetch(`${url}/health/ready`).then(
          ({ ok }) => ok,
          () => false,
        );
      while (!(await isReady())) await Bun.sleep(10);
    },
    async killGateway(): Promise<void> {
      gateway?.kill('SIGKILL');
      await gateway?.exited;
      gateway = undefined;
    },
    meter: (slug: string) => makeMeter(apps, slug),
    total: (slug: string) => totalOf(apps, slug),
    /** The value of each subject. */
    async bySubject(slug: string): Promise<Record<string, number>> {
      const response = await fetch(`${apps.url}/api/v1/meters/${slug}/query?groupBy=subject`);
      const { data } = (await response.json()) as { data: { subject: string; value: number }[] };
      return Object.fromEntries(data.map(({ subject, value }) => [subject, value]));
    },
    async stop() {
      gateway?.kill('SIGTERM');
      await gateway?.exited;
      await apps.stop();
    },
  };
}

export const clientSource = join(import.meta.dirname, '../../clients/typescript/src');

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** COUNT and SUM of $.n over events of the type that the slug names. */
async function makeMeter(apps: RunningApps, slug: string): Promise<void> {
  for (const [suffix, rest] of [
    ['count', { aggregation: 'COUNT' }],
    ['sum', { aggregation: 'SUM', valueProperty: '$.n' }],
    ['max', { aggregation: 'MAX', valueProperty: '$.n' }],
  ] as const) {
    const response = await fetch(`${apps.url}/api/v1/meters`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({
        slug: `${slug}_${suffix}`,
        eventType: slug,
        groupBy: { model: '$.model' },
        ...rest,
      }),
    });
    if (!response.ok) throw new Error(await response.text());
  }
}

/** Once everything that was accepted is stored. */
async function totalOf(apps: RunningApps, slug: string): Promise<{ count: number; sum: number }> {
  for (;;) {
    const [count, sum] = await Promise.all(
      ['count', 'sum'].map((suffix) => fetch(`${apps.url}/api/v1/meters/${slug}_${suffix}/query`)),
    );
    if (count!.headers.get('usage-events-waiting') === '0') {
      const value = async (response: Response) =>
        ((await response.json()) as { data: { value: number }[] }).data[0]?.value ?? 0;
      return { count: await value(count!), sum: await value(sum!) };
    }
    await Bun.sleep(5);
  }
}
