import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Ledger } from '../ledger.ts';
import { mustRun, run, type Stack } from '../stack.ts';
import { described } from './faults.ts';
import { apps, seconds } from './start.ts';

/**
 * As a later version would bring it: tables in use get columns, and one of them an index; and all of it goes
 * again. In the order in which a processor writes: in another one the two lock each other out (a deadlock, nothing lost).
 */
const migration = `
-- Up Migration
ALTER TABLE events ADD COLUMN proof integer NOT NULL DEFAULT 7;
ALTER TABLE batches ADD COLUMN proof text;
ALTER TABLE deltas ADD COLUMN proof text;
CREATE INDEX batches_proof ON batches (proof);
-- Down Migration
ALTER TABLE events DROP COLUMN proof;
ALTER TABLE batches DROP COLUMN proof;
ALTER TABLE deltas DROP COLUMN proof;
`;
const oldVersion = 'local';
const newVersion = 'migrated';
const loadMs = 4_000;

/** The migrations of a newer version, forth and back, while the apps of this version work. */
export async function schemaUpgrade(stack: Stack, ledger: Ledger): Promise<string> {
  await buildNewer();
  const before = (await Promise.all(apps.map((app) => stack.containers(app)))).flat();
  const load = ledger.load({ url: stack.nginxUrl });
  await Bun.sleep(loadMs / 2);
  const up = await migrate(stack, newVersion);
  await Bun.sleep(loadMs / 2);
  const storedOn = await stack.psql('SELECT count(*) > 0 FROM events WHERE proof = 7');
  if (storedOn !== 't') throw new Error('no event stored in the new schema');
  const older = await migrate(stack, oldVersion);
  const down = await migrate(stack, newVersion, ['bun', 'db/schema/migrate.main.ts', 'down', '1']);
  if (!down.startsWith('Taken back: 900_proof.')) throw new Error(`down said: ${down}`);
  await Bun.sleep(loadMs / 2);
  const reconciliation = await ledger.close(load);
  const after = (await Promise.all(apps.map((app) => stack.containers(app)))).flat();
  if (before.join() !== after.join()) throw new Error('an app was replaced');
  if (reconciliation.failures.size > 0) throw new Error(`requests failed: ${described(reconciliation)}`);
  return `${up}; then the older version's migrate: ${older}; ${down}; ${described(reconciliation)}; ${await ledger.balance()}`;
}

async function buildNewer(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'usage-upgrade-'));
  try {
    await writeFile(join(folder, '900_proof.sql'), migration);
    await writeFile(
      join(folder, 'Dockerfile'),
      `FROM usage/migrate:${oldVersion}\nCOPY 900_proof.sql db/migrations/\n`,
    );
    await mustRun(['docker', 'build', '-q', '-t', `usage/migrate:${newVersion}`, folder]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What it said last, and how long it took. */
async function migrate(stack: Stack, version: string, command: readonly string[] = []): Promise<string> {
  const startedMs = performance.now();
  const once = ['run', '--rm', '--no-deps', '-T', 'migrate', ...command];
  const { code, stdout, stderr } = await run([...stack.compose, ...once], {
    ...stack.env,
    USAGE_VERSION: version,
  });
  if (code !== 0) throw new Error(`migrate of ${version} ended with ${code}: ${stdout}${stderr}`);
  return `${stdout.trim().split('\n').at(-1)} (${seconds(performance.now() - startedMs)})`;
}
