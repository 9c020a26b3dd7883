import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunningApps, startApps } from '../support/apps.ts';

const root = join(import.meta.dirname, '../..');

export interface ImportResult {
  code: number;
  /** Standard output and error. */
  text: string;
}

/** The real apps, a folder for files, and `bun run import` as a process. */
export async function startImportTest(settings: Record<string, string> = {}) {
  const apps = await startApps(settings);
  const folder = await mkdtemp(join(tmpdir(), 'usage-import-'));
  let files = 0;
  return {
    apps,
    folder,
    /** A file of its own folder, so that the name of two may be the same. */
    async file(name: string, content: string | Uint8Array): Promise<string> {
      const path = join(folder, `${files++}`, name);
      await Bun.write(path, content);
      return path;
    },
    run: (...args: string[]) => runImport(apps, args),
    spawn: (...args: string[]) => spawnImport(apps, args),
    spawnWith: (env: Record<string, string>, ...args: string[]) => spawnImport(apps, args, env),
    /** Killed with SIGKILL as soon as the gateway has taken something of it. */
    async killed(slug: string, ...args: string[]): Promise<void> {
      const child = spawnImport(apps, args);
      const isCounted = async () => {
        const response = await fetch(`${apps.url}/api/v1/meters/${slug}/query`);
        return ((await response.json()) as { data: unknown[] }).data.length > 0;
      };
      while (child.exitCode === null && !(await isCounted())) await Bun.sleep(1);
      child.kill('SIGKILL');
      await child.exited;
    },
    meter: (slug: string, meter: Record<string, unknown> = {}) => makeMeter(apps, slug, meter),
    usage: (slug: string, query = '') => usageOf(apps, slug, query),
    async stop() {
      await apps.stop();
      await rm(folder, { recursive: true });
    },
  };
}

function spawnImport(apps: RunningApps, args: string[], env: Record<string, string> = {}) {
  return Bun.spawn([process.execPath, 'scripts/import.ts', '--url', apps.url, ...args], {
    cwd: root,
    env: { ...process.env, API_KEY: undefined, ...env },
    stdout: 'pipe',
    stderr: 'pipe',
  });
}

async function runImport(apps: RunningApps, args: string[]): Promise<ImportResult> {
  const child = spawnImport(apps, args);
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code: await child.exited, text: out + err };
}

/** A SUM of $.tokens over events of the type that the slug names, unless the caller says otherwise. */
async function makeMeter(apps: RunningApps, slug: string, meter: Record<string, unknown>): Promise<void> {
  const response = await fetch(`${apps.url}/api/v1/meters`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ slug, eventType: slug, aggregation: 'SUM', valueProperty: '$.tokens', ...meter }),
  });
  if (!response.ok) throw new Error(await response.text());
}

export interface UsageRow {
  value: number;
  windowStart: string;
  subject: string | null;
  groupBy: Record<string, string | null>;
}

/** Once everything that was accepted is stored. */
async function usageOf(apps: RunningApps, slug: string, query: string): Promise<UsageRow[]> {
  for (;;) {
    const response = await fetch(`${apps.url}/api/v1/meters/${slug}/query?${query}`);
    const { data } = (await response.json()) as { data: UsageRow[] };
    if (!response.ok) throw new Error(JSON.stringify(data));
    if (response.headers.get('usage-events-waiting') === '0') return data;
    await Bun.sleep(5);
  }
}
