import { parseArgs } from 'node:util';
import { createKey, listKeys, revokeKey } from '../db/access/keys.ts';
import { connect, type Sql } from '../db/connection/connect.ts';
import { startErrorOf } from '../db/connection/startError.ts';
import { defaultNamespace } from '../lib/auth/key.ts';
import { keysMax, keysShownMax, readKeyDefinition, shownKey } from '../lib/auth/keyDefinition.ts';
import { newKeyToken } from '../lib/auth/token.ts';
import { readConfig } from '../lib/service/config.ts';
import { saidTo } from '../lib/service/runApp.ts';
import { commonSettings } from '../lib/service/settings.ts';
import { StartError } from '../lib/service/startError.ts';

/**
 * `bun run keys create|list|revoke`: API keys straight in the database, also for the first one and for other namespaces.
 * The apps that reach PostgreSQL find a change within about a second.
 */
const usage = `Usage (the database is DATABASE_URL):
  bun run keys create --name <name> --scopes ingest,read,admin [--namespace default]
                      [--events-per-second n] [--events-burst n] [--requests-per-second n] [--requests-burst n]
  bun run keys list   [--namespace default]
  bun run keys revoke <id or prefix> [--namespace default]`;

const statementMsMax = 10_000;

class UsageError extends StartError {}

try {
  const { positionals, values } = readArguments();
  const { databaseUrl } = readConfig({ databaseUrl: commonSettings.databaseUrl });
  const sql = connect({ url: databaseUrl, name: 'keys', connectionsMax: 1, statementMsMax });
  try {
    await run(sql, positionals, values);
  } catch (error) {
    throw startErrorOf(error, databaseUrl) ?? error;
  } finally {
    await sql.end({ timeout: 1 });
  }
} catch (error) {
  console.error(saidTo(error));
  process.exitCode = 1;
}

type Values = Record<string, string | undefined>;

async function run(sql: Sql, [command, target]: string[], values: Values): Promise<void> {
  const namespace = values.namespace ?? defaultNamespace;
  switch (command) {
    case 'create':
      return await create(sql, namespace, values);
    case 'list':
      for (const key of await listKeys(sql, namespace, keysShownMax))
        console.log(JSON.stringify(shownKey(key)));
      return;
    case 'revoke':
      if (target === undefined) throw new UsageError(usage);
      if (!(await revokeKey(sql, namespace, target)))
        throw new StartError(`There is no key ${target} in ${namespace}.`);
      console.log(`${target} is revoked: it stops working within 5 s on every app that reaches PostgreSQL.`);
      return;
    default:
      throw new UsageError(usage);
  }
}

/** The key alone goes to standard output, so that it can be piped into a file or a secret store. */
async function create(sql: Sql, namespace: string, values: Values): Promise<void> {
  const number = (name: string) => (values[name] === undefined ? undefined : Number(values[name]));
  const read = readKeyDefinition({
    namespace,
    name: values.name,
    scopes: values.scopes?.split(','),
    eventsPerSecond: number('events-per-second'),
    eventsBurst: number('events-burst'),
    requestsPerSecond: number('requests-per-second'),
    requestsBurst: number('requests-burst'),
  });
  if ('issues' in read) {
    const issues = read.issues.map(({ field, reason }) => `  ${field} ${reason}`).join('\n');
    throw new UsageError(`The key is not valid:\n${issues}\n\n${usage}`);
  }
  const { token, prefix, hash } = newKeyToken();
  const { name, scopes, limits } = read.value;
  const stored = await createKey(sql, { namespace, name, prefix, secretHash: hash, scopes, limits }, keysMax);
  if (!stored)
    throw new StartError(`${namespace} has ${keysMax} active keys: revoke some that are not used.`);
  console.error(`Made ${stored.id} (${scopes.join(', ')}; namespace ${namespace}). Shown this once:`);
  console.log(token);
}

function readArguments(): { positionals: string[]; values: Values } {
  const option = { type: 'string' } as const;
  const names = [
    'name',
    'scopes',
    'namespace',
    'events-per-second',
    'events-burst',
    'requests-per-second',
    'requests-burst',
  ];
  try {
    const options = Object.fromEntries(names.map((name) => [name, option]));
    return parseArgs({ allowPositionals: true, options }) as { positionals: string[]; values: Values };
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${usage}`);
  }
}
