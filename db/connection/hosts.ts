import { type DatabaseTarget, describeTarget, type ServerRole } from '@usage/lib/service/databaseUrl.ts';
import postgres from 'postgres';
import { FailedSocket, type Host, openSocket } from './socket.ts';

/** None of the hosts of a connection string has the role that is asked for; a fail-over may be under way. */
export class NoSuchServer extends Error {
  override name = 'NoSuchServer';
  readonly code = 'CONNECTION_NO_SUCH_SERVER';
}

/** How long a look at the roles of several hosts is taken for true: pools open their connections in bursts. */
const lookMs = 1_000;

/**
 * Which of a target's hosts a connection should be opened to. Several hosts are asked for their role first, in order;
 * one that does not answer is passed over.
 */
export class Hosts {
  #looked: { atMs: number; host: Promise<Host> } | undefined;

  constructor(readonly target: DatabaseTarget) {}

  /** Rejects with NoSuchServer, or with the error of the last host where none answers. */
  async choose(): Promise<Host> {
    const { hosts, role } = this.target;
    if (hosts.length === 1 && role === 'any') return hosts[0]!;
    if (this.#looked && performance.now() - this.#looked.atMs < lookMs) return this.#looked.host;
    const host = this.#look();
    host.catch(() => {});
    this.#looked = { atMs: performance.now(), host };
    return host;
  }

  async #look(): Promise<Host> {
    const { hosts, role, shuffle } = this.target;
    const inOrder = shuffle ? hosts.toSorted(() => Math.random() - 0.5) : hosts;
    let lastError: unknown;
    let answered = false;
    let fallback: Host | undefined;
    for (const host of inOrder) {
      try {
        const state = await stateOf(this.target, host);
        answered = true;
        if (fits(role, state)) return host;
        fallback ??= host;
      } catch (error) {
        lastError = error;
      }
    }
    if (role === 'prefer-standby' && fallback) return fallback;
    if (!answered) throw lastError;
    throw new NoSuchServer(
      `none of the servers of ${describeTarget(this.target)} that answer is ${role} (target_session_attrs)`,
    );
  }
}

interface ServerState {
  inRecovery: boolean;
  readOnly: boolean;
}

function fits(role: ServerRole, { inRecovery, readOnly }: ServerState): boolean {
  switch (role) {
    case 'any':
      return true;
    case 'read-write':
      return !readOnly;
    case 'read-only':
      return readOnly;
    case 'primary':
      return !inRecovery;
    case 'standby':
    case 'prefer-standby':
      return inRecovery;
  }
}

/** By a connection of its own: the role is known once one has logged in. */
async function stateOf(target: DatabaseTarget, host: Host): Promise<ServerState> {
  const sql = postgres({
    ...driverOptions(target),
    max: 1,
    fetch_types: false,
    socket: () => opened(target, host),
  } as postgres.Options<Record<string, never>>);
  try {
    const [row] = await sql<[{ in_recovery: boolean; read_only: boolean }]>`
      SELECT pg_is_in_recovery() AS in_recovery, current_setting('transaction_read_only') = 'on' AS read_only`;
    return { inRecovery: row.in_recovery, readOnly: row.read_only };
  } finally {
    await sql.end({ timeout: 0 });
  }
}

/** What the driver would read from a URL, read by us. */
export function driverOptions(target: DatabaseTarget) {
  const { user, password, database, pooled, connectMsMax, options, hosts } = target;
  return {
    host: hosts[0]!.host,
    port: hosts[0]!.port,
    user,
    // The driver takes PGPASSWORD for none; a password that is empty is none either.
    ...(password === undefined ? {} : { pass: password }),
    database,
    ssl: false, // the socket is encrypted before the driver gets it
    prepare: !pooled,
    connect_timeout: connectMsMax / 1_000,
    onnotice: () => {},
    connection: options === undefined ? {} : { options },
  };
}

export async function opened(target: DatabaseTarget, host: Host | Promise<Host>) {
  try {
    return await openSocket(target, await host);
  } catch (error) {
    return new FailedSocket(error as Error);
  }
}
