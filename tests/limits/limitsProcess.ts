import { spawnApp } from '../support/spawnApp.ts';

export interface LimitsProcess {
  url: string;
  pid: number;
  kill(signal?: NodeJS.Signals): void;
  stop(): Promise<void>;
}

/** One more limits service beside the apps, or one alone, on their database and Redis. */
export async function startLimits(
  apps: { database: { url: string }; redis: { url: string } },
  settings: Record<string, string> = {},
): Promise<LimitsProcess> {
  const env = {
    ...process.env,
    DATABASE_URL: apps.database.url,
    REDIS_URL: apps.redis.url,
    LIMITS_PORT: '0',
    AUTH: 'off',
    ...settings,
  };
  const child = spawnApp('limits', env, 'inherit');
  const port = Promise.withResolvers<number>();
  void (async () => {
    let rest = '';
    for await (const chunk of child.stdout.pipeThrough(
      new TextDecoderStream() as never,
    ) as unknown as AsyncIterable<string>) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop()!;
      for (const line of lines) {
        const entry = JSON.parse(line) as { msg: string; port?: number };
        if (entry.msg === 'listening') port.resolve(entry.port!);
      }
    }
    port.reject(new Error('the limits service ended'));
  })();
  port.promise.catch(() => {});
  return {
    url: `http://127.0.0.1:${await port.promise}`,
    pid: child.pid,
    kill: (signal = 'SIGKILL') => child.kill(signal),
    async stop() {
      child.kill('SIGTERM');
      await child.exited;
    },
  };
}
