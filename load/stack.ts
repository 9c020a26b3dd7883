import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { connect, type Sql } from '@usage/db/connection/connect.ts';
import { serverInfo } from '@usage/db/connection/server.ts';
import { migrateSettings } from '@usage/db/schema/config.ts';
import { migrate } from '@usage/db/schema/migrate.ts';
import { readConfig } from '@usage/lib/service/config.ts';
import { EventStream } from '@usage/lib/stream/stream.ts';
import { Redis } from 'ioredis';
import { type LocalApp, startApp } from '../scripts/local/app.ts';
import { freePort } from '../scripts/local/ports.ts';
import { startPostgres } from '../scripts/local/postgres.ts';
import { startRedis } from '../scripts/local/redis.ts';
import { services } from '../scripts/services.ts';
import { loadMeters } from './events.ts';
import type { Measured } from './measure.ts';

/** What a scenario drives: every part a process of its own. */
export interface Stack {
  gatewayUrl: string;
  queryUrl: string;
  databaseUrl: string;
  redisUrl: string;
  /** What every request carries: the API key. */
  headers: Record<string, string>;
  /** Empty where the stack was not started here. */
  processes: Measured[];
  sql: Sql;
  redis: Redis;
  stream: EventStream;
  stop(): Promise<void>;
}

export interface StackUrls {
  url: string;
  queryUrl: string;
  databaseUrl: string;
  redisUrl: string;
  apiKey: string | undefined;
}

export interface StackOptions {
  redis?: Record<string, string>;
  auth?: 'keys' | 'off';
}

const folder = join(import.meta.dirname, '../.data/load');
const appStopMsMax = 20_000;
const statementMsMax = 3_600_000;
let started = 0;

/** Servers with the settings of `npm start` and fresh data, which is removed when the stack stops. */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  await removeLeftOvers();
  const own = join(folder, `${process.pid}-${++started}`);
  await mkdir(own, { recursive: true });
  const undo: (() => unknown)[] = [() => rm(own, { recursive: true, force: true })];
  const stopAll = async () => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  try {
    const redis = await startRedis({
      folder: join(own, 'redis'),
      logFile: join(own, 'redis.log'),
      ...(options.redis ? { settings: options.redis } : {}),
    });
    undo.push(redis.stop);
    const postgres = await startPostgres({
      folder: join(own, 'postgres'),
      logFile: join(own, 'postgres.log'),
      password: crypto.randomUUID(),
    });
    undo.push(postgres.stop);
    const { periodDays } = readConfig({ periodDays: migrateSettings.periodDays });
    await migrate(postgres.url, { direction: 'up', periodDays, log: console.error });
    const { urls, processes, stop } = await startApps(own, postgres.url, redis.url, options.auth ?? 'keys');
    undo.push(stop);
    const connected = await connectStack({
      ...urls,
      databaseUrl: postgres.url,
      redisUrl: redis.url,
    });
    undo.push(connected.stop);
    return {
      ...connected,
      processes: [
        ...processes,
        { name: 'redis', pid: redis.pid },
        { name: 'postgres', pid: postgres.pid, tree: true },
      ],
      stop: stopAll,
    };
  } catch (error) {
    await stopAll();
    throw error;
  }
}

async function startApps(own: string, databaseUrl: string, redisUrl: string, auth: 'keys' | 'off') {
  const apiKey = `load-${crypto.randomUUID()}`;
  const ports = new Map<string, number>();
  for (const { name } of services) ports.set(name, await freePort());
  const urlOf = (name: string) => `http://127.0.0.1:${ports.get(name)}`;
  const env = {
    ...process.env,
    ...Object.fromEntries(services.map(({ name, portSetting }) => [portSetting, String(ports.get(name))])),
    DATABASE_URL: databaseUrl,
    REDIS_URL: redisUrl,
    QUERY_URL: urlOf('query'),
    LIMITS_URL: urlOf('limits'),
    API_HOST: '127.0.0.1',
    AUTH: auth,
    ADMIN_API_KEY: apiKey,
  };
  const apps = services.map(({ name }) =>
    startApp({
      name,
      url: urlOf(name),
      env,
      logFile: join(own, `${name}.log`),
      watch: false,
      show: (line) => console.error(line),
    }),
  );
  const stop = async () => {
    // Each waits for what the one before still hands on: the gateway first.
    for (const app of apps.toReversed()) {
      if (!(await app.stop(appStopMsMax))) console.error(`${app.name} did not stop in order`);
    }
  };
  try {
    await Promise.all(
      apps.map((app) => Promise.race([app.waitUntilReady(), app.exited.then((how) => fail(app, how))])),
    );
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    urls: { url: urlOf('gateway'), queryUrl: urlOf('query'), apiKey: auth === 'keys' ? apiKey : undefined },
    processes: apps.map(({ name, pid }) => ({ name, pid })),
    stop,
  };
}

function fail(app: LocalApp, how: string): never {
  throw new Error(`${app.name} ended (${how}):\n${app.log.lastLines.join('\n')}`);
}

/** A stack that runs already; its processes are not measured, and it is left running. */
export async function connectStack(urls: StackUrls): Promise<Stack> {
  const sql = connect({ url: urls.databaseUrl, name: 'load', connectionsMax: 4, statementMsMax });
  const redis = new Redis(urls.redisUrl);
  const headers: Record<string, string> = urls.apiKey ? { authorization: `Bearer ${urls.apiKey}` } : {};
  await makeMeters(urls.url, headers);
  return {
    gatewayUrl: urls.url,
    queryUrl: urls.queryUrl,
    databaseUrl: urls.databaseUrl,
    redisUrl: urls.redisUrl,
    headers,
    processes: [],
    sql,
    redis,
    stream: new EventStream(redis),
    async stop() {
      redis.disconnect();
      await sql.end();
    },
  };
}

/** The version of PostgreSQL and of TimescaleDB, if it is there. */
export async function storageOf(stack: Stack): Promise<string> {
  const { postgres, timescale } = await serverInfo(stack.databaseUrl);
  return `PostgreSQL ${postgres}, ${timescale ? `TimescaleDB ${timescale}` : 'native partitions'}`;
}

async function makeMeters(gatewayUrl: string, headers: Record<string, string>): Promise<void> {
  for (const meter of loadMeters) {
    const response = await fetch(`${gatewayUrl}/api/v1/meters`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify(meter),
    });
    if (!response.ok && response.status !== 409) {
      throw new Error(`the meter ${meter.slug} can't be made: ${await response.text()}`);
    }
  }
}

/** Folders of runs that were killed. */
async function removeLeftOvers(): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    if (!isRunning(Number.parseInt(name, 10))) {
      await rm(join(folder, name), { recursive: true, force: true });
    }
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
