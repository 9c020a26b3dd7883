import { createDatabase, type TestDatabase } from './database.ts';
import { createRedis, type TestRedis } from './redis.ts';
import { type AppName, spawnApp } from './spawnApp.ts';

export interface RunningApps {
  /** Of the gateway. */
  url: string;
  /** Of the query service. */
  queryUrl: string;
  /** Of the limits service. */
  limitsUrl: string;
  /** Every line that the apps have logged so far. */
  logLines(): string[];
  database: TestDatabase;
  redis: TestRedis;
  /** Stops all in reverse; throws when one doesn't end with exit code 0. */
  stop(): Promise<void>;
}

interface RunningApp {
  name: string;
  port: number;
  output: string[];
  stop(): Promise<number>;
}

/** The real processes of gateway, query, limits, processor and aggregator, over a database and a Redis of their own. */
export async function startApps(settings: Record<string, string> = {}): Promise<RunningApps> {
  const [database, redis] = await Promise.all([createDatabase(), createRedis()]);
  const env = {
    ...process.env,
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    API_PORT: '0',
    QUERY_PORT: '0',
    PROCESSOR_PORT: '0',
    AGGREGATOR_PORT: '0',
    LIMITS_PORT: '0',
    LOG_LEVEL: 'info',
    AUTH: 'off',
    ...settings,
  };
  const apps = await Promise.all([
    startApp('processor', 'processing', env),
    startApp('aggregator', undefined, env),
    startApp('query', 'listening', env),
    startApp('limits', 'listening', env),
  ]);
  const [, , query, limits] = apps;
  const gateway = await startApp('gateway', 'listening', {
    ...env,
    QUERY_URL: `http://127.0.0.1:${query.port}`,
    LIMITS_URL: `http://127.0.0.1:${limits.port}`,
  });
  return {
    url: `http://127.0.0.1:${gateway.port}`,
    queryUrl: `http://127.0.0.1:${query.port}`,
    limitsUrl: `http://127.0.0.1:${limits.port}`,
    logLines: () => [gateway, ...apps].flatMap((app) => app.output),
    database,
    redis,
    async stop() {
      const failed: string[] = [];
      for (const app of [gateway, ...apps.toReversed()]) {
        const code = await app.stop();
        if (code !== 0) failed.push(`${app.name} ended with ${code}`);
      }
      await redis.drop();
      await database.drop();
      if (failed.length > 0) throw new Error(failed.join(', '));
    },
  };
}

/** Resolves when the app has logged `message` (at once where undefined); throws when it ends before. */
async function startApp(
  name: AppName,
  message: string | undefined,
  env: Record<string, string | undefined>,
): Promise<RunningApp> {
  const child = spawnApp(name, env, 'inherit');
  const ready = Promise.withResolvers<number>();
  const output: string[] = [];
  void readLines(child.stdout, (line) => {
    output.push(line);
    const entry = JSON.parse(line) as { msg: string; port?: number };
    if (entry.msg === message) ready.resolve(entry.port ?? 0);
  });
  void child.exited.then((code) =>
    ready.reject(new Error(`${name} ended with ${code}:\n${output.join('\n')}`)),
  );
  ready.promise.catch(() => {});
  return {
    name,
    port: message === undefined ? 0 : await ready.promise,
    output,
    stop() {
      child.kill('SIGTERM');
      return child.exited;
    },
  };
}

/** Goes on until the stream ends, so that the pipe never fills up. */
async function readLines(stream: ReadableStream<Uint8Array>, take: (line: string) => void): Promise<void> {
  let rest = '';
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop()!;
    for (const line of lines) if (line !== '') take(line);
  }
}
