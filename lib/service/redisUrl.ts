/** Where Redis (or Valkey) is, as REDIS_URL says it. */
export type RedisAddress =
  | { kind: 'servers'; servers: RedisLogin[] }
  | ({ kind: 'cluster'; nodes: RedisHost[] } & Omit<RedisLogin, 'host' | 'port'>)
  | ({
      kind: 'sentinel';
      sentinels: RedisHost[];
      /** The name under which the sentinels know the primary. */
      primary: string;
      sentinelUsername: string | undefined;
      sentinelPassword: string | undefined;
    } & Omit<RedisLogin, 'host' | 'port'>);

export interface RedisHost {
  host: string;
  port: number;
}

export interface RedisLogin extends RedisHost {
  username: string | undefined;
  password: string | undefined;
  database: number;
  tls: boolean;
}

const redisPort = 6379;
const sentinelPort = 26_379;
const form =
  /^(redis|rediss|valkey|valkeys)(\+cluster|\+sentinel)?:\/\/(?:(.*)@)?([^@/?#]*)(\/[^?#]*)?(\?[^#]*)?$/i;

export const redisUrlForms =
  'redis://[user:password@]host:6379[/database] (rediss:// for TLS; valkey:// and valkeys:// are the same), ' +
  'redis+cluster://host1:6379,host2:6379 for a Redis Cluster, ' +
  'redis+sentinel://host1:26379,host2:26379/name for Sentinel, or ' +
  'redis://host1:6379,redis://host2:6379 for a shard of the stream on each';

/** Throws an Error that says what is wrong and which forms there are; it never shows the password. */
export function parseRedisUrl(text: string): RedisAddress {
  const urls = text.trim().split(/[\s,]+(?=[a-z+]+:\/\/)/i);
  const parsed = urls.map(parseOne);
  const [first] = parsed;
  if (parsed.length === 1) return first!;
  const servers = parsed.flatMap((address) => (address.kind === 'servers' ? address.servers : []));
  if (servers.length < parsed.length) {
    throw new Error('a Redis Cluster or Sentinel must be the only URL');
  }
  return { kind: 'servers', servers };
}

function parseOne(url: string): RedisAddress {
  const match = form.exec(url);
  if (!match) throw new Error(`expected ${redisUrlForms}`);
  const [, scheme = '', kind = '', userInfo, hostList = '', path = '', query = ''] = match;
  const tls = scheme.toLowerCase().endsWith('s') && scheme.toLowerCase() !== 'redis';
  const login = { ...loginOf(userInfo), tls };
  const parameters = new URLSearchParams(query);
  for (const name of parameters.keys()) {
    const isKnown = kind.toLowerCase() === '+sentinel' && /^sentinel(Username|Password)$/.test(name);
    if (!isKnown) throw new Error(`it has a parameter ${JSON.stringify(name)} that is not known here`);
  }
  switch (kind.toLowerCase()) {
    case '+cluster':
      if (!/^\/?0?$/.test(path)) throw new Error('a Redis Cluster has database 0 alone');
      return { kind: 'cluster', nodes: hostsOf(hostList, redisPort), ...login, database: 0 };
    case '+sentinel': {
      const [primary = '', database = ''] = path.slice(1).split('/');
      if (primary === '')
        throw new Error('the name of the primary is missing: redis+sentinel://host:26379/name');
      return {
        kind: 'sentinel',
        sentinels: hostsOf(hostList, sentinelPort),
        primary: decoded(primary),
        sentinelUsername: parameters.get('sentinelUsername') ?? undefined,
        sentinelPassword: parameters.get('sentinelPassword') ?? undefined,
        ...login,
        database: databaseOf(database),
      };
    }
    default: {
      const hosts = hostsOf(hostList, redisPort);
      if (hosts.length > 1) throw new Error(`several hosts in one URL; expected ${redisUrlForms}`);
      return { kind: 'servers', servers: [{ ...hosts[0]!, ...login, database: databaseOf(path.slice(1)) }] };
    }
  }
}

function loginOf(userInfo: string | undefined): Pick<RedisLogin, 'username' | 'password'> {
  if (userInfo === undefined) return { username: undefined, password: undefined };
  const colon = userInfo.indexOf(':');
  const [name, password] = colon < 0 ? [userInfo, ''] : [userInfo.slice(0, colon), userInfo.slice(colon + 1)];
  return { username: decoded(name) || undefined, password: decoded(password) || undefined };
}

/** A lone % stands for itself. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text.replace(/%[\da-f]{2}/gi, (code) => String.fromCharCode(Number.parseInt(code.slice(1), 16)));
  }
}

function hostsOf(list: string, portByDefault: number): RedisHost[] {
  return list.split(',').map((text) => {
    const match = /^(?:\[([\da-f:.]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/i.exec(text.trim());
    const port = Number(match?.[3] ?? portByDefault);
    if (!match || port < 1 || port > 65_535) {
      throw new Error(`${JSON.stringify(text)} is no host:port (an IPv6 address stands in brackets)`);
    }
    return { host: match[1] ?? match[2]!, port };
  });
}

function databaseOf(text: string): number {
  if (!/^\d{0,5}$/.test(text)) throw new Error(`${JSON.stringify(text)} is no number of a database`);
  return Number(text);
}
