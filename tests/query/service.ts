import { connect } from '@usage/db/connection/connect.ts';
import type { MeterDefinition } from '@usage/lib/meter/definition.ts';
import { createDatabase } from '../support/database.ts';
import { createRedis } from '../support/redis.ts';
import { spawnApp } from '../support/spawnApp.ts';
import { Pipeline } from '../usage/pipeline.ts';
import { makeMeter } from './app.ts';

/** The query service as a process of its own, on its own database and Redis. */
export async function createTestService() {
  const [database, redis] = await Promise.all([createDatabase(), createRedis()]);
  const sql = connect({ url: database.url, name: 'query test', connectionsMax: 4, statementMsMax: 30_000 });
  const env = {
    ...process.env,
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    QUERY_PORT: '0',
    API_HOST: '127.0.0.1',
    AUTH: 'off',
    LOG_LEVEL: 'info',
  };
  const child = spawnApp('query', env, 'inherit');
  const url = `http://127.0.0.1:${await portOf(child.stdout)}`;
  const stop = async () => {
    child.kill('SIGTERM');
    return await child.exited;
  };
  return {
    url,
    stop,
    pipeline: await Pipeline.open(sql),
    meter: (meter: Partial<MeterDefinition> & { slug: string }) => makeMeter(sql, meter),
    async close() {
      await stop();
      await sql.end();
      await Promise.all([database.drop(), redis.drop()]);
    },
  };
}

export type TestService = Awaited<ReturnType<typeof createTestService>>;

/** From the log line that says where it listens; the rest of the log is read on, so that the pipe never fills. */
async function portOf(stdout: ReadableStream<Uint8Array>): Promise<number> {
  const runner = stdout
    .pipeThrough(new TextDecoderStream() as never)
    .getReader() as ReadableStreamDefaultReader<string>;
  let text = '';
  for (;;) {
    const { value, done } = await runner.read();
    if (done) throw new Error(`the query service ended: ${text}`);
    text += value;
    const line = text.split('\n').find((one) => one.includes('"listening"') && one.endsWith('}'));
    if (!line) continue;
    void (async () => {
      while (!(await runner.read()).done);
    })();
    return (JSON.parse(line) as { port: number }).port;
  }
}
