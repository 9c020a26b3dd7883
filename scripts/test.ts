import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { serverInfo } from '../db/connection/server.ts';
import { StartError } from '../lib/service/startError.ts';
import { type LocalPostgres, startPostgres } from './local/postgres.ts';
import { redisBinary } from './local/redisBinary.ts';

/**
 * `npm test [-- paths and flags of bun test]`: brings its own PostgreSQL up in a temporary folder (or takes
 * DATABASE_URL), runs every test on it, and ends with one line: how many passed, how many failed. Exit code 0 only when
 * tests ran and none failed.
 */
const root = join(import.meta.dirname, '..');
const testMsMax = 60_000;
/** Files at a time. Each has a database and a Redis of its own. */
const parallel = Math.min(availableParallelism(), 4);

const folder = await mkdtemp(join(tmpdir(), 'usage-tests-'));
await chmod(folder, 0o711); // PostgreSQL runs as another user when we are root
let outcome: Outcome = { passed: 0, failed: 0, ok: false };
let postgres: LocalPostgres | undefined;
try {
  // Tests start a Redis for each file by themselves: here it only has to be there.
  if (!process.env.REDIS_URL) await redisBinary();
  if (!process.env.DATABASE_URL) postgres = await startTestPostgres(folder);
  const databaseUrl = postgres?.url ?? process.env.DATABASE_URL!;
  console.log(`Tests run on ${await describeStorage(databaseUrl)}\n`);
  outcome = await runTests(databaseUrl, process.argv.slice(2));
} catch (error) {
  console.error(error instanceof StartError ? error.message : error);
} finally {
  await postgres?.stop();
  await rm(folder, { recursive: true, force: true });
}
console.log(`${outcome.passed} passed, ${outcome.failed} failed`);
process.exit(outcome.ok ? 0 : 1);

interface Outcome {
  passed: number;
  failed: number;
  /** Tests ran, none failed, and nothing went wrong outside of them. */
  ok: boolean;
}

function startTestPostgres(inside: string): Promise<LocalPostgres> {
  return startPostgres({
    folder: join(inside, 'postgres'),
    logFile: join(inside, 'postgres.log'),
    password: 'usage_password',
    throwAway: join(inside, 'postgres'),
    settings: { max_connections: 300 },
  });
}

async function describeStorage(url: string): Promise<string> {
  const { postgres: version, timescale } = await serverInfo(url);
  const storage = timescale
    ? `TimescaleDB ${timescale} (hypertables)`
    : 'native partitions (no TimescaleDB here; its storage statements run on TimescaleDB in process)';
  return `PostgreSQL ${version}, ${storage}`;
}

async function runTests(databaseUrl: string, args: string[]): Promise<Outcome> {
  const report = join(folder, 'junit.xml');
  const child = Bun.spawn(
    [
      process.execPath,
      'test',
      `--parallel=${parallel}`,
      `--timeout=${testMsMax}`,
      '--reporter=junit',
      `--reporter-outfile=${report}`,
      ...args,
    ],
    { cwd: root, env: { ...process.env, DATABASE_URL: databaseUrl }, stdout: 'inherit', stderr: 'inherit' },
  );
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  const exitCode = await child.exited;
  const { tests, failures, skipped } = existsSync(report)
    ? countTests(await readFile(report, 'utf8'))
    : { tests: 0, failures: 0, skipped: 0 };
  // A file that doesn't load has no test case that could fail: bun's exit code tells of it.
  const failed = exitCode !== 0 && failures === 0 ? 1 : failures;
  const passed = tests - failures - skipped;
  return { passed, failed, ok: exitCode === 0 && failed === 0 && passed > 0 };
}

/** Sums of the whole run: attributes of the report's root element. */
function countTests(xml: string): { tests: number; failures: number; skipped: number } {
  const [element = ''] = /<testsuites[^>]*>/.exec(xml) ?? [];
  const count = (name: string) => Number(new RegExp(` ${name}="(\\d+)"`).exec(element)?.[1] ?? 0);
  return { tests: count('tests'), failures: count('failures') + count('errors'), skipped: count('skipped') };
}
