import { Socket } from 'node:net';
import { type DatabaseTarget, parseDatabaseUrl } from '@usage/lib/service/databaseUrl.ts';
import postgres from 'postgres';
import { driverOptions, Hosts, opened } from './hosts.ts';
import { readOnlyTransaction } from './sqlStates.ts';

export type Sql = postgres.Sql<{ bigint: bigint }>;
export type Transaction = postgres.TransactionSql<{ bigint: bigint }>;
/** Either: for statements that run alone or inside a transaction. */
export type Executor = Sql | Transaction;

export interface ConnectOptions {
  /** A connection string, or what was read from one. */
  url: string | DatabaseTarget;
  /** Shown in pg_stat_activity. */
  name: string;
  connectionsMax: number;
  /** Longest a single statement may take on the server, in ms. */
  statementMsMax: number;
  /** Longest wait of a statement for a lock, in ms; as long as the statement may take where undefined. */
  lockMsMax?: number;
}

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
 * A pool that reconnects by itself, to whichever of the URL's hosts has the role that it asks for. int8 arrives as bigint;
 * timestamps and numeric as the text that PostgreSQL sends, so that nothing is rounded (statements cast to what they need).
 */
export function connect(options: ConnectOptions): Sql {
  const target = typeof options.url === 'string' ? parseDatabaseUrl(options.url) : options.url;
  const hosts = new Hosts(target);
  const sockets = new Set<Socket>();
  const driver = driverOptions(target);
  const sql = postgres({
    ...driver,
    max: options.connectionsMax,
    backoff: (attempt) => Math.min(0.05 * 2 ** attempt, 2) * (0.5 + Math.random() / 2),
    socket: async () => {
      const socket = await opened(target, hosts.choose());
      if (!(socket instanceof Socket)) return socket;
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket)).on('error', () => {}); // the driver listens as well
      socket.setTimeout(options.statementMsMax + silenceGraceMs, () => socket.destroy());
      socket.on('data', (bytes) => leaveReadOnly(socket, bytes as Buffer));
      return socket;
    },
    connection: {
      ...driver.connection,
      ...(target.pooled ? pooledParameters(options) : parameters(options)),
    },
    types: { bigint: postgres.BigInt },
  } as postgres.Options<{ bigint: postgres.PostgresType<bigint> }>) as Sql;
  if (target.pooled) settleInTransactions(sql, options);
  socketsOf.set(sql, sockets);
  return sql;
}

/** Limits of a session, as settings of PostgreSQL. */
function limits({ statementMsMax, lockMsMax }: ConnectOptions) {
  return {
    statement_timeout: statementMsMax,
    ...(lockMsMax === undefined ? {} : { lock_timeout: lockMsMax }),
    idle_in_transaction_session_timeout: idleTransactionMsMax,
    jit: 'off', // compiling took 116 of the 290 ms of a look-up of 20 thousand identities
  };
}

function parameters(options: ConnectOptions) {
  return { ...pooledParameters(options), ...limits(options), ...keepalive };
}

/** All that PgBouncer takes from a client and gives to the server connection that it lends. */
function pooledParameters({ name }: ConnectOptions) {
  return { application_name: name, timezone: 'UTC' };
}

/**
 * Through a pooler a setting must end with the transaction: the next one on the same server connection is somebody else's.
 * SET takes no snapshot, so the first statement of the transaction still does. Statements outside of a transaction go
 * without limits on the server; the silence of their connection is bounded all the same.
 */
function settleInTransactions(sql: Sql, options: ConnectOptions): void {
  const settings = Object.entries(limits(options))
    .map(([name, value]) => `SET LOCAL ${name} = ${typeof value === 'number' ? value : `'${value}'`}`)
    .join('; ');
  const begin = sql.begin.bind(sql) as (mode: string, run: (tx: Transaction) => unknown) => Promise<unknown>;
  const withSettings = (
    mode: string | ((tx: Transaction) => unknown),
    run?: (tx: Transaction) => unknown,
  ) => {
    const [text, body] = typeof mode === 'string' ? [mode, run!] : ['', mode];
    return begin(text, (tx) => {
      tx.unsafe(settings)
        .simple()
        .execute()
        .catch(() => {}); // fails the transaction's next statement as well
      return body(tx);
    });
  };
  sql.begin = withSettings as Sql['begin'];
}

/** Field of an ErrorResponse with the SQLSTATE "read only transaction"; texts in rows hold no zero byte. */
const readOnlyField = `C${readOnlyTransaction}\0`;
const errorBytesMax = 8_192;
/** For the rest of the error to arrive: who asked learns why. */
const leaveMs = 50;

/** A server that has become a standby, or never was a primary, is left: the next connection asks for the role anew. */
function leaveReadOnly(socket: Socket, bytes: Buffer): void {
  if (bytes.length <= errorBytesMax && bytes.includes(readOnlyField))
    setTimeout(() => socket.destroy(), leaveMs);
}

/** As an error, and not a mere end: a statement that waits for a connection to be opened would wait for the next one. */
function givenUp(): Error {
  return Object.assign(new Error('the connection was given up'), { code: 'CONNECTION_CLOSED' });
}

/**
 * Gives up every connection of the pool: what waits for an answer rejects, and the next statement opens a new one. Resolves
 * when the pool knows: until then it may give a statement to a connection that is dead.
 */
export async function abandonConnections(sql: Sql): Promise<void> {
  const closed = [...(socketsOf.get(sql) ?? [])].map(
    (socket) => new Promise<void>((resolve) => void socket.once('close', () => resolve()).destroy(givenUp())),
  );
  await Promise.race([Promise.all(closed), Bun.sleep(closeMsMax)]);
}
