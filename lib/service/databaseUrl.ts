/**
 * The one reading of a PostgreSQL connection string, for every part that connects: libpq's meaning, without a driver's own.
 *
 *   postgres://user:password@host:port,host:port/database?parameter=value&…
 */
export interface DatabaseTarget {
  /** In the order of preference. A host that begins with `/` is the folder of a Unix socket. */
  hosts: { host: string; port: number }[];
  user: string;
  /** undefined: none is sent. */
  password: string | undefined;
  database: string;
  tls: TlsMode;
  /** Path of a file, or `system`. */
  rootCertificate: string | undefined;
  clientCertificate: string | undefined;
  clientKey: string | undefined;
  role: ServerRole;
  /** Hosts in a random order at each look instead of the order given. */
  shuffle: boolean;
  /** A pooler that gives a server connection for a transaction only: no start-up parameters, no prepared statements. */
  pooled: boolean;
  connectMsMax: number;
  /** `options=…`, passed to the server as it is. */
  options: string | undefined;
}

const tlsModes = ['disable', 'allow', 'prefer', 'require', 'no-verify', 'verify-ca', 'verify-full'] as const;
/** As libpq's, but for `no-verify`, which is `require` without a look at the certificate even where sslrootcert is given. */
export type TlsMode = 'disable' | 'prefer' | 'no-verify' | 'verify-ca' | 'verify-full';

const roles = ['any', 'read-write', 'read-only', 'primary', 'standby', 'prefer-standby'] as const;
export type ServerRole = (typeof roles)[number];

type Environment = Record<string, string | undefined>;

const portUsual = 5_432;
const connectMsMaxUsual = 5_000;

/** Have no meaning here and do no harm: the apps set their own, or do it anyway. */
const ignored = new Set([
  'application_name',
  'client_encoding',
  'connection_limit',
  'fallback_application_name',
  'gssencmode',
  'keepalives',
  'keepalives_count',
  'keepalives_idle',
  'keepalives_interval',
  'krbsrvname',
  'pool_timeout',
  'sslcompression',
  'sslsni',
  'tcp_user_timeout',
  'uselibpqcompat',
]);
const known = [
  'channel_binding',
  'connect_timeout',
  'dbname',
  'host',
  'load_balance_hosts',
  'options',
  'password',
  'pgbouncer',
  'port',
  'schema',
  'ssl',
  'sslcert',
  'sslkey',
  'sslmode',
  'sslnegotiation',
  'sslrootcert',
  'target_session_attrs',
  'user',
];

/**
 * Reads a connection string; what it leaves out comes from PGPASSWORD, PGSSLMODE and PGSSLROOTCERT. Throws an Error that
 * names what is wrong, never with the password in it.
 */
export function parseDatabaseUrl(text: string, env: Environment = process.env): DatabaseTarget {
  const [, rest] = /^postgres(?:ql)?:\/\/(.*)$/s.exec(text) ?? [];
  if (rest === undefined) throw new Error('expected a URL that starts with postgres:// or postgresql://');
  const [, authority = '', path = '', query = ''] = /^([^/?]*)(\/[^?]*)?(?:\?(.*))?$/s.exec(rest) ?? [];
  const at = authority.lastIndexOf('@');
  const [user, password] = at < 0 ? [] : splitOnce(authority.slice(0, at), ':');
  const parameters = readParameters(query);
  const hosts = readHosts(authority.slice(at + 1), parameters);
  const role = oneOf(parameters, 'target_session_attrs', roles) ?? (hosts.length > 1 ? 'read-write' : 'any');
  const name = nonEmpty(decode(user ?? '')) ?? parameters.get('user');
  if (!name) throw new Error('expected a user: postgres://user:password@host/database');
  const database = nonEmpty(decode(path.slice(1))) ?? parameters.get('dbname') ?? name;
  if (database.includes('/')) {
    throw new Error(
      'expected one name of a database after the host; a / in the user or password is written %2F (or set PGPASSWORD)',
    );
  }
  refuseOthers(parameters);
  const rootCertificate = parameters.get('sslrootcert') ?? nonEmpty(env.PGSSLROOTCERT);
  return {
    hosts,
    user: name,
    password: nonEmpty(decode(password ?? '')) ?? parameters.get('password') ?? nonEmpty(env.PGPASSWORD),
    database,
    tls: tlsOf(parameters, env, rootCertificate, hosts),
    rootCertificate,
    clientCertificate: parameters.get('sslcert'),
    clientKey: parameters.get('sslkey'),
    role,
    shuffle: oneOf(parameters, 'load_balance_hosts', ['disable', 'random'] as const) === 'random',
    pooled: oneOf(parameters, 'pgbouncer', ['true', 'false'] as const) === 'true',
    connectMsMax: connectMsMaxOf(parameters),
    options: parameters.get('options'),
  };
}

/** For people and logs: where it leads, without the password. */
export function describeTarget({ hosts, user, database }: DatabaseTarget): string {
  return `${user}@${hosts.map(({ host, port }) => `${bracketed(host)}:${port}`).join(',')}/${database}`;
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

function readParameters(query: string): Map<string, string> {
  const parameters = new Map<string, string>();
  for (const pair of query.split('&')) {
    if (pair === '') continue;
    const [name, value = ''] = splitOnce(pair, '=');
    parameters.set(decode(name!), decode(value));
  }
  return parameters;
}

function readHosts(list: string, parameters: Map<string, string>): DatabaseTarget['hosts'] {
  const ports = parameters.get('port')?.split(',') ?? [];
  const names = nonEmpty(list)?.split(',') ?? parameters.get('host')?.split(',') ?? ['localhost'];
  return names.map((name, index) => {
    const [, bracket, plain, port = ports[index] ?? ports[0]] =
      /^(?:\[([^\]]+)\]|((?:\/|%2[fF]).*|[^:[\]]*))(?::(\d*))?$/s.exec(name) ?? [];
    const host = decode(bracket ?? plain ?? '');
    if (host === '' || /[\s@]/.test(host)) {
      throw new Error(
        'expected host, host:port or several of them with commas between; @ / ? in a user or password are written %40 %2F %3F',
      );
    }
    const number = Number(port || portUsual);
    if (!(number >= 1 && number <= 65_535)) throw new Error(`expected a port from 1 to 65535 after ${host}`);
    return { host, port: number };
  });
}

function tlsOf(
  parameters: Map<string, string>,
  env: Environment,
  rootCertificate: string | undefined,
  hosts: DatabaseTarget['hosts'],
): TlsMode {
  const asked = oneOf(parameters, 'sslmode', tlsModes);
  const ssl = oneOf(parameters, 'ssl', ['true', 'false', '1', '0', 'require'] as const);
  if (!['postgres', undefined].includes(parameters.get('sslnegotiation')))
    throw new Error('sslnegotiation: only postgres is supported');
  const fromEnvironment = tlsModes.find((mode) => mode === env.PGSSLMODE);
  const mode =
    asked ??
    (ssl === undefined ? fromEnvironment : ssl === 'false' || ssl === '0' ? 'disable' : 'require') ??
    (hosts.every(({ host }) => isLocal(host)) ? 'disable' : 'prefer');
  const binding = oneOf(parameters, 'channel_binding', ['disable', 'prefer', 'require'] as const);
  if (binding === 'require') {
    if (mode === 'disable')
      throw new Error('channel_binding=require needs encryption, and sslmode is disable');
    // The drivers have no channel binding. What it protects against, a server in the middle, a full look at the certificate does as well.
    return 'verify-full';
  }
  if (rootCertificate === 'system' && mode !== 'disable') return 'verify-full';
  if (mode === 'require') return rootCertificate === undefined ? 'no-verify' : 'verify-ca';
  return mode === 'allow' ? 'prefer' : mode;
}

/** Nobody listens between: encryption would only cost. */
function isLocal(host: string): boolean {
  return host.startsWith('/') || host === 'localhost' || host === '::1' || host.startsWith('127.');
}

function connectMsMaxOf(parameters: Map<string, string>): number {
  const text = parameters.get('connect_timeout');
  if (text === undefined || text === '0') return connectMsMaxUsual;
  if (!/^\d{1,3}$/.test(text)) throw new Error('connect_timeout: expected seconds from 1 to 999');
  return Number(text) * 1_000;
}

function oneOf<const T extends string>(
  parameters: Map<string, string>,
  name: string,
  values: readonly T[],
): T | undefined {
  const value = parameters.get(name);
  if (value === undefined) return undefined;
  if (!(values as readonly string[]).includes(value))
    throw new Error(`${name}=${value}: expected one of ${values.join(', ')}`);
  return value as T;
}

function refuseOthers(parameters: Map<string, string>): void {
  const schema = parameters.get('schema');
  if (schema !== undefined && schema !== 'public') {
    throw new Error(
      `schema=${schema}: the tables lie in the first schema of the role's search_path; leave the parameter out and run ALTER ROLE … SET search_path = ${schema}`,
    );
  }
  for (const name of parameters.keys()) {
    if (known.includes(name) || ignored.has(name)) continue;
    throw new Error(`the parameter ${name} is not known; known are ${known.join(', ')}`);
  }
}

function splitOnce(text: string, by: string): [string, string?] {
  const at = text.indexOf(by);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + by.length)];
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}

/** Percent-encoding where it is one: a lone `%` in a password is itself. */
function decode(text: string): string {
  return text.replace(/(?:%[0-9a-fA-F]{2})+/g, (encoded) => {
    try {
      return decodeURIComponent(encoded);
    } catch {
      return encoded;
    }
  });
}
