import './tracing.ts';
import { readFileSync } from 'node:fs';
import { Cluster, Redis } from 'ioredis';
import type { Logger } from '../service/log.ts';
import { parseRedisUrl, type RedisAddress, type RedisHost, type RedisLogin } from '../service/redisUrl.ts';

export type RedisClient = Redis | Cluster;

export interface RedisOptions {
  /** REDIS_URL. */
  url: string;
  /** File with the certificate of an own authority, PEM; the system's authorities where undefined. */
  caFile?: string | undefined;
  /** Shown in CLIENT LIST. */
  name: string;
  log: Logger;
  /** How long a command may take; blocking reads need more than their BLOCK. */
  commandMsMax: number;
}

const connectMsMax = 5_000;
const retryMsMax = 1_000;
/** How soon a client of a cluster learns of slots that moved and of replicas that became primaries. */
const slotsRefreshMs = 1_000;

/**
 * Connections that reconnect by themselves. Commands fail at once while Redis is down: nobody waits in a hidden queue.
 * One client for a server, a Sentinel or a cluster; several for several servers with shards.
 */
export class RedisServers {
  constructor(
    readonly clients: readonly RedisClient[],
    /** Replicas may take a primary's place at any time. */
    readonly mayFailOver = false,
  ) {}

  /** Where everything lies that has no shard. */
  get home(): RedisClient {
    return this.clients[0]!;
  }

  /** Throws an Error where REDIS_URL names several servers, and none for this shard. */
  of(shard: number): RedisClient {
    const client = this.clients.length === 1 ? this.clients[0] : this.clients[shard];
    if (client) return client;
    throw new Error(
      `REDIS_URL names ${this.clients.length} servers, one a shard, and none for shard ${shard}: add one to its end`,
    );
  }

  get isReady(): boolean {
    return this.clients.some(({ status }) => status === 'ready');
  }

  onReady(take: () => void): void {
    for (const client of this.clients) client.on('ready', take);
  }

  disconnect(): void {
    for (const client of this.clients) client.disconnect();
  }
}

export function connectRedis(options: RedisOptions): RedisServers {
  const address = parseRedisUrl(options.url);
  const { name } = options;
  switch (address.kind) {
    case 'servers':
      return new RedisServers(
        address.servers.map((server) => begun(new Redis(serverOptions(server, options)), name, options)),
      );
    case 'sentinel':
      return new RedisServers([begun(new Redis(sentinelOptions(address, options)), name, options)], true);
    case 'cluster':
      return new RedisServers(
        [begun(new Cluster(address.nodes, clusterOptions(address, options)), name, options)],
        true,
      );
  }
}

/** For subscriptions: messages reach every node of a cluster, so a connection to each that the URL names is enough. */
export function connectSubscribers(options: RedisOptions): Redis[] {
  const address = parseRedisUrl(options.url);
  const { name } = options;
  if (address.kind === 'sentinel')
    return [begun(new Redis(sentinelOptions(address, options)), name, options)];
  const servers =
    address.kind === 'servers' ? address.servers : address.nodes.map((node) => ({ ...address, ...node }));
  return servers.map((server) => begun(new Redis(serverOptions(server, options)), name, options));
}

type Address<Kind extends RedisAddress['kind']> = Extract<RedisAddress, { kind: Kind }>;

function usualOptions({ name, commandMsMax }: RedisOptions) {
  return {
    connectionName: name,
    connectTimeout: connectMsMax,
    commandTimeout: commandMsMax,
    // A connection that has swallowed a command is cut: the next one may work.
    socketTimeout: commandMsMax,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    lazyConnect: true,
    // A primary that has become a replica: the name leads to another server by now.
    reconnectOnError: ({ message }: Error) => message.startsWith('READONLY'),
  };
}

const retryMs = (attempt: number) => Math.min(50 * 2 ** attempt, retryMsMax) * (0.5 + Math.random() / 2);

function loginOptions({ username, password, tls }: Omit<RedisLogin, keyof RedisHost>, caFile?: string) {
  return {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(tls && { tls: caFile === undefined ? {} : { ca: readFileSync(caFile) } }),
  };
}

function serverOptions({ host, port, database, ...login }: RedisLogin, options: RedisOptions) {
  return {
    ...usualOptions(options),
    ...loginOptions({ database, ...login }, options.caFile),
    ...{ host, port, db: database, retryStrategy: retryMs },
  };
}

function sentinelOptions(address: Address<'sentinel'>, options: RedisOptions) {
  const { sentinels, primary, sentinelUsername, sentinelPassword, database } = address;
  const login = loginOptions(address, options.caFile);
  return {
    ...usualOptions(options),
    ...login,
    ...{ sentinels, name: primary, role: 'master' as const, db: database, retryStrategy: retryMs },
    sentinelRetryStrategy: retryMs,
    // Without it a primary that was replaced is noticed only when it ends its connections.
    failoverDetector: true,
    ...(sentinelUsername !== undefined && { sentinelUsername }),
    ...(sentinelPassword !== undefined && { sentinelPassword }),
    ...(login.tls && { sentinelTLS: login.tls, enableTLSForSentinelMode: true }),
  };
}

function clusterOptions(address: Address<'cluster'>, options: RedisOptions) {
  const { lazyConnect, enableOfflineQueue, ...redisOptions } = usualOptions(options);
  return {
    redisOptions: { ...redisOptions, ...loginOptions(address, options.caFile) },
    ...{ lazyConnect, enableOfflineQueue, clusterRetryStrategy: retryMs },
    slotsRefreshInterval: slotsRefreshMs,
    slotsRefreshTimeout: connectMsMax,
    // A frame goes to another shard instead of waiting for a failover.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    // Certificates name hosts: addresses are left as the cluster says them.
    ...(address.tls && {
      dnsLookup: (host: string, use: (error: null, address: string) => void) => use(null, host),
    }),
  };
}

function begun<T extends RedisClient>(client: T, name: string, { log }: RedisOptions): T {
  let lastMessage = '';
  client.on('error', (error: Error) => {
    if (error.message !== lastMessage) log.warn({ err: error }, 'redis connection failed');
    lastMessage = error.message;
  });
  client.on('ready', () => {
    lastMessage = '';
    log.info({ redis: name }, 'redis connected');
  });
  // The first attempt may fail: the retries go on in the background and readiness tells.
  client.connect().catch(() => {});
  return client;
}
