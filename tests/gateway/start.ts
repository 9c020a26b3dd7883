import { connect } from '@usage/db/connection/connect.ts';
import { gatewaySettings } from '@usage/gateway/config.ts';
import { Outcomes } from '@usage/gateway/events/outcomes.ts';
import { createGateway } from '@usage/gateway/gateway.ts';
import { openAccess } from '@usage/lib/auth/access.ts';
import { listen, stopListening } from '@usage/lib/http/server.ts';
import { readConfig } from '@usage/lib/service/config.ts';
import { Health } from '@usage/lib/service/health.ts';
import { createLog } from '@usage/lib/service/log.ts';
import { connectRedis, connectSubscribers } from '@usage/lib/stream/redis.ts';
import { EventStream } from '@usage/lib/stream/stream.ts';
import { Subscriber } from '@usage/lib/stream/subscriber.ts';
import { Redis } from 'ioredis';
import { Registry } from 'prom-client';
import { contentOfFrame, type FrameContent } from '../support/frames.ts';
import { startTestRedis } from '../support/servers.ts';

export type TestGateway = Awaited<ReturnType<typeof startGateway>>;

/** A gateway on a free port over a Redis of its own; settings as the environment would have them. */
export async function startGateway(
  env: Record<string, string> = {},
  redisSettings: Record<string, string> = {},
) {
  const server = await startTestRedis(redisSettings);
  const config = readConfig(gatewaySettings, { REDIS_URL: server.url, PRESSURE_POLL_MS: '20', ...env });
  const log = createLog('gateway', 'silent');
  const redis = connectRedis({ url: server.url, name: 'gateway', log, commandMsMax: config.appendMsMax });
  const admin = new Redis(server.url, { retryStrategy: () => 20 });
  admin.on('error', () => {});
  const sql = connect({ url: config.databaseUrl, name: 'gateway', connectionsMax: 1, statementMsMax: 1_000 });
  const subscriber = new Subscriber(
    connectSubscribers({ url: server.url, name: 'subscriber', log, commandMsMax: config.appendMsMax }),
    log,
  );
  const outcomes = new Outcomes(subscriber);
  await outcomes.start(config.streamName);
  const health = new Health();
  const registry = new Registry();
  const stream = new EventStream(redis, config.streamName, { replicasMin: config.replicasMin });
  const { app, gate, batcher } = createGateway({
    config,
    sql,
    stream,
    access: openAccess(),
    keysChanged: async () => {},
    outcomes,
    consoleFiles: new Map(),
    health,
    registry,
    log,
  });
  await admin.ping();
  if (!redis.isReady) await new Promise<void>((resolve) => redis.onReady(resolve));
  await gate.start();
  const url = `http://127.0.0.1:${listen(app, '127.0.0.1', 0)}`;
  return {
    url,
    server,
    admin,
    gate,
    batcher,
    health,
    registry,
    /** Sends events as JSON text. */
    post(body: string | Uint8Array, contentType = 'application/json', headers: Record<string, string> = {}) {
      return fetch(`${url}/api/v1/events`, {
        method: 'POST',
        body,
        headers: { 'Content-Type': contentType, ...headers },
      });
    },
    /** What is in the stream, oldest first. */
    async frames(): Promise<FrameContent[][]> {
      const entries = (await admin.xrangeBuffer(stream.key, '-', '+')) as unknown as [Buffer, Buffer[]][];
      return entries.map(([, fields]) => contentOfFrame(fields[1]!));
    },
    async rawFrames(): Promise<Buffer[]> {
      const entries = (await admin.xrangeBuffer(stream.key, '-', '+')) as unknown as [Buffer, Buffer[]][];
      return entries.map(([, fields]) => fields[1]!);
    },
    async clear(): Promise<void> {
      await admin.del(stream.key);
    },
    /** As main.ts does it, in the same order. */
    async stop(): Promise<void> {
      health.stopping();
      await stopListening(app);
      await batcher.drain();
      gate.stop();
      redis.disconnect();
      subscriber.disconnect();
      admin.disconnect();
      await sql.end();
      await server.stop();
    },
  };
}

export function eventText(id: string, more = ''): string {
  return `{"specversion":"1.0","id":"${id}","source":"test","type":"prompt","subject":"customer-1"${more}}`;
}
