import { parseDatabaseUrl } from '@usage/lib/service/databaseUrl.ts';
import { StartError } from '@usage/lib/service/startError.ts';
import { runner } from 'node-pg-migrate';
import type { ClientBase } from 'pg';
import { type Client, withClient } from '../connection/client.ts';
import { lockNotAvailable } from '../connection/sqlStates.ts';
import { refuseHopelessConnection, startErrorOf } from '../connection/startError.ts';
import { applyPeriodDays, applyStreamShards, type PeriodDaysOutcome } from './storageSettings.ts';

export interface MigrateOptions {
  direction: 'up' | 'down';
  /** How many migrations; all that are missing for up, 1 for down. */
  count?: number;
  /** How the events table is cut where its partitions are native, in days; applied after `up` as long as no period is open. Left alone where undefined. */
  periodDays?: number;
  /** Streams that the frames are spread over; applied after `up`. Left alone where undefined. */
  streamShards?: number | undefined;
  /** For how long back migration 011 makes keys of what is stored; a week where undefined. */
  dedupeWindowHours?: number;
  log?: (line: string) => void;
  /** Of the SQL files, in place of db/migrations. */
  folder?: string;
  /** Longest wait for another migration to finish. */
  turnWaitMsMax?: number;
}

export interface MigrateOutcome {
  /** Names of the migrations that ran, in order. */
  ran: string[];
  periodDays: PeriodDaysOutcome | undefined;
}

export const migrationsFolder = `${import.meta.dirname}/../migrations`;

const turnWaitMsUsual = 120_000;
/** Longest wait of a migration's statement for a table in use: while it waits, everyone behind it waits as well. */
const tableWaitMsMax = 15_000;
export const migrationTurn = 4_711_250_001;

/**
 * Brings the schema up (or some migrations down). Each migration is one transaction: it holds wholly or not at all.
 * Safe to run twice and from several places at once: they take turns by an advisory lock that PostgreSQL gives back
 * when the connection dies. Throws when the turn doesn't come within two minutes.
 */
export async function migrate(url: string, options: MigrateOptions): Promise<MigrateOutcome> {
  return await withClient(
    url,
    async (client) => {
      await waitForTurn(client, options.turnWaitMsMax ?? turnWaitMsUsual);
      return await runMigrations(client, options);
    },
    'usage_migrate',
  );
}

/**
 * As `migrate`, over the direct address where one is set. A lock of the session and a pooler that gives a server connection
 * for one transaction don't go together: throws a StartError then, as for a connection that can never work.
 */
export async function migrateOver(
  databaseUrl: string,
  directUrl: string | undefined,
  options: MigrateOptions,
): Promise<MigrateOutcome> {
  if (directUrl === undefined && parseDatabaseUrl(databaseUrl).pooled) {
    throw new StartError(
      "DATABASE_URL leads to a pooler (pgbouncer=true), and migrations need a session: set DIRECT_DATABASE_URL to PostgreSQL's own address.",
    );
  }
  if (directUrl === undefined) await refuseHopelessConnection(databaseUrl);
  try {
    return await migrate(directUrl ?? databaseUrl, options);
  } catch (error) {
    throw directUrl === undefined
      ? (startErrorOf(error, databaseUrl) ?? error)
      : (startErrorOf(error, directUrl, 'DIRECT_DATABASE_URL') ?? error);
  }
}

/** The migrations over a connection that holds the turn already. */
async function runMigrations(client: Client, options: MigrateOptions): Promise<MigrateOutcome> {
  const silent = () => {};
  const log = options.log ?? silent;
  const window = options.dedupeWindowHours?.toString() ?? '';
  await client.query(`SELECT set_config('usage.dedupe_window_hours', $1, false)`, [window]);
  const migrations = await runner({
    dbClient: client as unknown as ClientBase,
    dir: options.folder ?? migrationsFolder,
    ignorePattern: '(?!.*\\.sql$).*',
    migrationsTable: 'migrations',
    direction: options.direction,
    ...(options.count === undefined ? {} : { count: options.count }),
    singleTransaction: false,
    noLock: true,
    // Several people number migrations at once: a lower number may come later than a higher one that ran.
    checkOrder: false,
    logger: { debug: silent, info: silent, warn: log, error: log },
  });
  const ran = migrations.map((migration) => migration.name);
  const periodDays =
    options.direction === 'up' && options.periodDays !== undefined
      ? await applyPeriodDays(client, options.periodDays)
      : undefined;
  if (options.direction === 'up' && options.streamShards !== undefined)
    await applyStreamShards(client, options.streamShards);
  return { ran, periodDays };
}

async function waitForTurn(client: Client, turnWaitMsMax: number): Promise<void> {
  await client.query(`SET lock_timeout = ${turnWaitMsMax}`);
  try {
    await client.query('SELECT pg_advisory_lock($1)', [migrationTurn]);
  } catch (error) {
    if ((error as { code?: string }).code !== lockNotAvailable) throw error;
    throw new Error(
      `another migration has been running for ${turnWaitMsMax / 1_000} s: see pg_stat_activity for usage_migrate`,
      { cause: error },
    );
  }
  await client.query(`SET lock_timeout = ${tableWaitMsMax}`);
}
