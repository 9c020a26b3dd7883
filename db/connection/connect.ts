import { Socket } from 'node:net';
import postgres from 'postgres';

export type Sql = postgres.Sql<{ bigint: bigint }>;
export type Transaction = postgres.TransactionSql<{ bigint: bigint }>;
/** Either: for statements that run alone or inside a transaction. */
export type Executor = Sql | Transaction;

export interface ConnectOptions {
  url: string;
  /** Shown in pg_stat_activity. */
  name: string;
  connectionsMax: number;
  /** Longest a single statement may take on the server, in ms. */
  statementMsMax: number;
  /** Longest wait of a statement for a lock, in ms; as long as the statement may take where undefined. */
  lockMsMax?: number;
}

const connectSecondsMax = 5;
const idleTransactionMsMax = 60_000;
/** A server that should have ended a statement by now and has said nothing for this long any more is not there. */
const silenceGraceMs = 5_000;
/** A socket that is given up is closed within a turn or two of the event loop. */
const closeMsMax = 1_000;
/** A machine that vanishes without a word: its transactions end, and free what they lock, within 25 s. */
const keepalive = {
  tcp_keepalives_idle: 10,
  tcp_keepalives_interval: 5,
  tcp_keepalives_count: 3,
  tcp_user_timeout: 20_000,
  client_connection_check_interval: 5_000,
};

const socketsOf = new WeakMap<Sql, Set<Socket>>();

/**
 * A pool that reconnects by itself. int8 arrives as bigint; timestamps and numeric as the text that PostgreSQL sends,
 * so that nothing is rounded (statements cast to what they need).
 */
export function connect(options: ConnectOptions): Sql {
  const sockets = new Set<Socket>();
  const sql = postgres(options.url, {
    max: options.connectionsMax,
    connect_timeout: connectSecondsMax,
    backoff: (attempt) => Math.min(0.05 * 2 ** attempt, 2) * (0.5 + Math.random() / 2),
    onnotice: () => {},
    socket: ({ host, port, path }: Address) => {
      const socket = new Socket();
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      socket.setTimeout(options.statementMsMax + silenceGraceMs, () => socket.destroy());
      return path ? socket.connect(path) : socket.connect(port[0]!, host[0]!);
    },
    connection: {
      application_name: options.name,
      statement_timeout: options.statementMsMax,
      ...(options.lockMsMax === undefined ? {} : { lock_timeout: options.lockMsMax }),
      ...keepalive,
      idle_in_transaction_session_timeout: idleTransactionMsMax,
      timezone: 'UTC',
      jit: 'off', // compiling took 116 of the 290 ms of a look-up of 20 thousand identities
    },
    types: { bigint: postgres.BigInt },
  } as postgres.Options<{ bigint: postgres.PostgresType<bigint> }>) as Sql;
  socketsOf.set(sql, sockets);
  return sql;
}

/** What postgres.js has read from the URL. */
interface Address {
  host: string[];
  port: number[];
  path: string | false;
}

/**
 * Gives up every connection of the pool: what waits for an answer rejects, and the next statement opens a new one. Resolves
 * when the pool knows: until then it may give a statement to a connection that is dead.
 */
export async function abandonConnections(sql: Sql): Promise<void> {
  const closed = [...(socketsOf.get(sql) ?? [])].map(
    (socket) => new Promise<void>((resolve) => void socket.once('close', () => resolve()).destroy()),
  );
  await Promise.race([Promise.all(closed), Bun.sleep(closeMsMax)]);
}
