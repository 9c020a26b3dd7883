import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Cluster, Redis } from 'ioredis';
import type postgres from 'postgres';
import { migrate } from '../../db/schema/migrate.ts';
import { shardTag } from '../../lib/stream/shardTag.ts';
import { freePort } from '../../scripts/local/ports.ts';
import { type LocalPostgres, startPostgres } from '../../scripts/local/postgres.ts';
import { type LocalRedis, startRedis } from '../../scripts/local/redis.ts';
import { startTestCluster, type TestCluster } from '../support/redisCluster.ts';
import { AppProcess } from './appProcess.ts';
import { fakedClock } from './clock.ts';
import { relationsOf } from './leftovers.ts';
import { TcpProxy } from './proxy.ts';
import type { AppName, StackOptions } from './stackOptions.ts';
import { lookInto, migrateFrom, run, withPort } from './stackServers.ts';

const smallServer = {
  fsync: 'off', // kill -9 of processes loses nothing that was written; power cuts are another test
  shared_buffers: '256MB',
  max_wal_size: '1GB',
};
const startTriesMax = 20;
const startPauseMs = 250;
const readyMsMax = 30_000;
const pollMs = 25;

/**
 * The whole system as real processes on free ports of this machine: PostgreSQL and Redis of its own, a proxy before
 * each, and the apps. Anything can be killed, frozen, stopped and started again; ports and data stay.
 */
export class Stack {
  readonly apps = new Map<AppName, AppProcess>();
  /** Unexpected ends of servers and apps. */
  readonly crashes: string[] = [];
  postgres!: LocalPostgres;
  redis!: LocalRedis;
  postgresProxy!: TcpProxy;
  redisProxy!: TcpProxy;
  /** Where Redis is a cluster. */
  cluster: TestCluster | undefined;
  /** The suite's own look into the database and Redis, past the proxies. */
  sql!: postgres.Sql<{ bigint: bigint }>;
  admin!: Redis;
  /** Tables, views and sequences of the fresh schema. */
  relations!: Set<string>;
  /** Where apps that are made from now on run from; this repository where undefined. */
  build: string | undefined;
  /** Where every request needs a key: acts in the namespace `default`. */
  readonly #operatorKey = randomBytes(32).toString('hex');
  readonly #keys = new Map<string, string>();

  private constructor(
    readonly folder: string,
    readonly options: StackOptions,
    readonly ports: Record<AppName | 'postgres' | 'redis' | 'postgresProxy' | 'redisProxy', number>,
  ) {
    this.build = options.build;
  }

  static async start(options: StackOptions = {}): Promise<Stack> {
    const folder = await mkdtemp(join(tmpdir(), 'usage-fault-'));
    await chmod(folder, 0o711); // PostgreSQL runs as another user when we are root
    await mkdir(join(folder, 'logs'), { recursive: true });
    if (options.postgresDiskMegabytes) {
      const disk = join(folder, 'postgres');
      await mkdir(disk);
      run('mount', '-t', 'tmpfs', '-o', `size=${options.postgresDiskMegabytes}m`, 'tmpfs', disk);
    }
    const names = [
      ...([
        'gateway',
        'gateway2',
        'processor',
        'processor2',
        'aggregator',
        'aggregator2',
        'query',
        'limits',
        'limits2',
      ] as const),
      ...(['postgres', 'redis', 'postgresProxy', 'redisProxy'] as const),
    ];
    const ports = Object.fromEntries(
      await Promise.all(names.map(async (name) => [name, await freePort()] as const)),
    ) as Stack['ports'];
    const stack = new Stack(folder, options, ports);
    try {
      await Promise.all([stack.startPostgres(), stack.startRedis()]);
      if (options.build) await migrateFrom(options.build, stack.postgres.url);
      else await stack.migrate();
      stack.postgresProxy = new TcpProxy(ports.postgresProxy, ports.postgres);
      stack.redisProxy = new TcpProxy(ports.redisProxy, ports.redis);
      stack.sql = lookInto(stack.postgres.url);
      // Nobody runs yet who could not know of them: they are written to at once.
      if (stack.cluster) await stack.sql`UPDATE storage_settings SET stream_shards = ${stack.tags.length}`;
      stack.admin = stack.#connectAdmin();
      stack.admin.on('error', () => {});
      if (!options.build) stack.relations = await relationsOf(stack.sql);
      for (const name of ['query', 'processor', 'aggregator', 'gateway'] as const) stack.app(name).start();
      await stack.untilReady();
    } catch (error) {
      await stack.drop();
      throw error;
    }
    return stack;
  }

  /** What a request to the apps needs: as the operator, or with a key. */
  headers(key = this.#operatorKey): Record<string, string> {
    return this.options.keys ? { Authorization: `Bearer ${key}` } : {};
  }

  /** A tenant's key, made by its first caller. */
  async keyOf(namespace: string): Promise<string> {
    const made = this.#keys.get(namespace);
    if (made !== undefined) return made;
    const answer = await fetch(`${this.app('gateway').url}/api/v1/keys`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...this.headers() },
      body: JSON.stringify({ name: 'fault suite', namespace, scopes: ['ingest', 'read', 'admin'] }),
    });
    if (!answer.ok) throw new Error(`no key: ${answer.status} ${await answer.text()}`);
    const { key } = (await answer.json()) as { key: string };
    this.#keys.set(namespace, key);
    return key;
  }

  get gatewayUrls(): string[] {
    const gateways = [this.apps.get('gateway'), this.apps.get('gateway2')];
    return gateways.flatMap((app) => (app?.running ? [app.url] : []));
  }

  /** The app of that name, made (not started) when it is new. `settings` are its own. */
  app(name: AppName, settings: Record<string, string> = {}): AppProcess {
    let app = this.apps.get(name);
    if (!app) {
      const port = String(this.ports[name]);
      const direct = this.options.asShipped ?? false;
      if (this.options.clocks) this.setClock(name, 0);
      app = new AppProcess({
        name,
        url: `http://127.0.0.1:${port}`,
        logFile: join(this.folder, `logs/${name}.log`),
        env: {
          ...(process.env as Record<string, string>),
          ASYNC_REPLICATION: 'allow', // a standby that lags and takes over is one of the faults
          DATABASE_URL: direct ? this.postgres.url : withPort(this.postgres.url, this.ports.postgresProxy),
          REDIS_URL:
            this.cluster?.url ?? (direct ? this.redis.url : withPort(this.redis.url, this.ports.redisProxy)),
          API_PORT: port,
          QUERY_PORT: port,
          PROCESSOR_PORT: port,
          AGGREGATOR_PORT: port,
          LIMITS_PORT: port,
          QUERY_URL: `http://127.0.0.1:${this.ports.query}`,
          LIMITS_URL: `http://127.0.0.1:${this.ports.limits}`,
          ...(this.options.keys ? { AUTH: 'keys', ADMIN_API_KEY: this.#operatorKey } : { AUTH: 'off' }),
          MERGE_WAIT_MS: '100',
          ...(this.options.clocks ? fakedClock(this.#clockFile(name)) : {}),
          ...this.options.settings,
          ...settings,
        },
        root: this.build,
      });
      this.apps.set(name, app);
    }
    return app;
  }

  /** Brings the schema to this build's. */
  async migrate(): Promise<void> {
    await migrate(this.postgres.url, { direction: 'up' });
    if (this.sql) this.relations = await relationsOf(this.sql);
  }

  /** The app of that name, stopped where it ran, anew from `build`. */
  async remake(name: AppName): Promise<void> {
    const app = this.apps.get(name);
    if (app && !(await app.stop())) this.crashes.push(`${name} did not stop with exit code 0 in time`);
    if (app) this.#takeCrashes(app);
    this.apps.delete(name);
    this.app(name).start();
  }

  /** How far the app's clock is ahead of the machine's; one that runs notices within a second. */
  setClock(name: AppName, aheadSeconds: number): void {
    writeFileSync(this.#clockFile(name), `${aheadSeconds < 0 ? '' : '+'}${aheadSeconds}\n`);
  }

  #clockFile(name: AppName): string {
    return join(this.folder, `${name}.clock`);
  }

  /** Stops the second ones, starts the usual four where they don't run, and waits until all can take work. */
  async restore(): Promise<void> {
    this.postgresProxy.open();
    this.redisProxy.open();
    this.postgresProxy.resume();
    this.redisProxy.resume();
    this.postgresProxy.buryAbandoned();
    this.redisProxy.buryAbandoned();
    for (const [name, app] of this.apps) {
      app.thaw();
      if (name.endsWith('2')) {
        if (!(await app.stop())) this.crashes.push(`${name} did not stop with exit code 0 in time`);
        this.#takeCrashes(app);
        this.apps.delete(name);
      } else app.start();
    }
  }

  /** All apps, or some. */
  async untilReady(apps: Iterable<AppProcess> = this.apps.values(), msMax = readyMsMax): Promise<void> {
    const deadline = performance.now() + msMax;
    for (const app of apps) {
      while (!(await app.isReady())) {
        if (performance.now() > deadline) {
          const lines = [...app.lastLines, ...app.crashes.slice(-1)]
            .map((line) => `\n      ${line}`)
            .join('');
          throw new Error(`${app.name} is not ready after ${msMax} ms:${lines}`);
        }
        await Bun.sleep(pollMs);
      }
    }
  }

  async killPostgres(signal: 'SIGKILL' | 'SIGQUIT' | 'SIGINT' = 'SIGKILL'): Promise<void> {
    process.kill(this.postgres.pid, signal);
    await this.postgres.exited;
  }

  get postgresSettings(): Record<string, string | number> {
    return { ...(this.options.asShipped ? {} : smallServer), ...this.options.postgresSettings };
  }

  /** Another server takes the place of the one that was killed, under its address. */
  async usePostgres(server: LocalPostgres): Promise<void> {
    await this.sql.end({ timeout: 1 });
    this.postgres = server;
    this.sql = lookInto(server.url);
    this.postgresProxy.close();
    this.postgresProxy = new TcpProxy(this.ports.postgresProxy, Number(new URL(server.url).port));
  }

  /** Backends of a killed postmaster need a moment to notice: until then a new one refuses to start. */
  async startPostgres(): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        this.postgres = await startPostgres({
          folder: join(this.folder, 'postgres/data'),
          logFile: join(this.folder, 'logs/postgres.log'),
          password: 'usage_password',
          port: this.ports.postgres,
          timescale: this.options.timescale ?? true,
          settings: this.postgresSettings,
        });
        return;
      } catch (error) {
        if (tries === startTriesMax) throw error;
        await Bun.sleep(startPauseMs);
      }
    }
  }

  async killRedis(): Promise<void> {
    process.kill(this.redis.pid, 'SIGKILL');
    await this.redis.exited;
  }

  async startRedis(): Promise<void> {
    if (this.options.redisReplicasEach !== undefined) {
      this.cluster = await startTestCluster({ replicasEach: this.options.redisReplicasEach });
      return;
    }
    this.redis = await startRedis({
      folder: join(this.folder, 'redis'),
      logFile: join(this.folder, 'logs/redis.log'),
      port: this.ports.redis,
      ...(this.options.redisSettings ? { settings: this.options.redisSettings } : {}),
    });
  }

  /** Of the shards: their keys begin with them. */
  get tags(): string[] {
    const shards = this.options.redisReplicasEach === undefined ? 1 : 3;
    return Array.from({ length: shards }, (_, shard) => shardTag('usage', shard));
  }

  #connectAdmin(): Redis {
    if (!this.cluster)
      return new Redis(this.redis.url, { retryStrategy: () => 100, maxRetriesPerRequest: null });
    const nodes = this.cluster.masters.map(({ port }) => ({ host: '127.0.0.1', port }));
    // What the suite asks of it is the same.
    return new Cluster(nodes, { slotsRefreshInterval: 500 }) as unknown as Redis;
  }

  /** What died unasked since the last call. */
  takeCrashes(): string[] {
    for (const app of this.apps.values()) this.#takeCrashes(app);
    return this.crashes.splice(0);
  }

  #takeCrashes(app: AppProcess): void {
    this.crashes.push(...app.crashes.splice(0));
  }

  /**
   * SIGTERM to all apps, then the servers. Returns the apps that did not end with 0 in time, and where the logs are, if
   * they are kept.
   */
  async drop({ keepLogs = false } = {}): Promise<{ late: string[]; logs: string | undefined }> {
    const late: string[] = [];
    for (const [name, app] of this.apps) if (!(await app.stop())) late.push(name);
    this.postgresProxy?.close();
    this.redisProxy?.close();
    this.admin?.disconnect();
    await this.sql?.end({ timeout: 1 });
    await this.redis?.stop();
    await this.cluster?.stop();
    await this.postgres?.stop();
    if (this.options.postgresDiskMegabytes) run('umount', '--lazy', join(this.folder, 'postgres'));
    const logs = keepLogs || late.length > 0 ? join(tmpdir(), `${basename(this.folder)}-logs`) : undefined;
    if (logs) await rename(join(this.folder, 'logs'), logs);
    await rm(this.folder, { recursive: true, force: true });
    return { late, logs };
  }
}
