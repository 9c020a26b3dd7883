import { parseDatabaseUrl } from '@usage/lib/service/databaseUrl.ts';
import postgres from 'postgres';
import { driverOptions, Hosts, opened } from './hosts.ts';
import { FailedSocket } from './socket.ts';

/** One session: what a statement sets or locks holds for the next. */
export interface Client {
  /** Values for $1, $2, …; without any the text may hold several statements, and the rows are those of the last. */
  query(text: string, values?: unknown[]): Promise<Rows>;
  /** The process at the other end as the login named it: not PostgreSQL's own where a pooler stands between. */
  readonly backendPid: number;
}

export interface Rows {
  // biome-ignore lint/suspicious/noExplicitAny: columns are what the text asks for
  rows: any[];
  rowCount: number;
}

/**
 * Runs with a connection of its own, closed afterwards. One that is lost is not opened again: the locks and the
 * transaction that it held are gone. Rejects with the driver's errors.
 */
export async function withClient<T>(
  url: string,
  use: (client: Client) => Promise<T>,
  name = 'usage_client',
): Promise<T> {
  const target = parseDatabaseUrl(url);
  let isOpened = false;
  const driver = driverOptions(target);
  const sql = postgres({
    ...driver,
    max: 1,
    max_lifetime: null,
    fetch_types: false,
    connection: { ...driver.connection, application_name: name },
    socket: async () => {
      if (isOpened) return new FailedSocket(new ConnectionLost('the connection to PostgreSQL was lost'));
      isOpened = true;
      return await opened(target, new Hosts(target).choose());
    },
  } as postgres.Options<Record<string, never>>);
  let backendPid = 0;
  const client: Client = {
    async query(text, values = []) {
      const found = await sql.unsafe(text, values as never[]);
      const several = found as unknown as (typeof found)[];
      const last = Array.isArray(several[0]) ? several.at(-1)! : found;
      backendPid = last.state?.pid ?? backendPid;
      return { rows: [...last], rowCount: last.count ?? 0 };
    },
    get backendPid() {
      return backendPid;
    },
  };
  try {
    return await use(client);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

class ConnectionLost extends Error {
  override name = 'ConnectionLost';
  readonly code = 'CONNECTION_LOST';
}
