import { ConfigError, readConfig } from '@usage/lib/service/config.ts';
import { saidTo } from '@usage/lib/service/runApp.ts';
import { migrateSettings } from './config.ts';
import { type MigrateOptions, type MigrateOutcome, migrateOver } from './migrate.ts';

/**
 * `bun db/schema/migrate.main.ts [up | down [n]]`: brings the schema of DATABASE_URL up to date, or n migrations (1) down.
 * Exits with 0 when the schema is as asked, 1 when a migration failed, 2 when the command or a setting is wrong.
 */
const exit = { failed: 1, wrongCommand: 2 };

const command = readCommand(process.argv.slice(2));
if (!command) {
  console.error('usage: migrate [up | down [n]]');
  process.exit(exit.wrongCommand);
}
try {
  const { databaseUrl, directDatabaseUrl, periodDays, dedupeWindowHours, streamShards } =
    readConfig(migrateSettings);
  const outcome = await migrateOver(databaseUrl, directDatabaseUrl, {
    ...command,
    periodDays,
    dedupeWindowHours,
    streamShards,
    log: console.error,
  });
  console.log(describe(command.direction, outcome));
} catch (error) {
  const isWrong = error instanceof ConfigError;
  console.error(isWrong ? error.message : `Migration failed: ${saidTo(error)}`);
  process.exit(isWrong ? exit.wrongCommand : exit.failed);
}

function readCommand([direction = 'up', count, ...rest]: string[]): MigrateOptions | undefined {
  if (rest.length > 0) return undefined;
  if (direction === 'up' && count === undefined) return { direction };
  if (direction === 'down' && /^[1-9]\d{0,3}$/.test(count ?? '1')) {
    return { direction, count: Number(count ?? 1) };
  }
  return undefined;
}

function describe(direction: MigrateOptions['direction'], { ran, periodDays }: MigrateOutcome): string {
  const names = ran.join(', ');
  if (direction === 'down') return names ? `Taken back: ${names}.` : 'Nothing to take back.';
  const line = names ? `Migrated: ${names}.` : 'Nothing to migrate.';
  if (!periodDays || periodDays.asAsked) return line;
  return `${line} PERIOD_DAYS is left out: events are stored already, in partitions of ${periodDays.periodDays} days.`;
}
