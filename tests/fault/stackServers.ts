import { existsSync } from 'node:fs';
import { join } from 'node:path';
import postgres from 'postgres';

export function lookInto(url: string): postgres.Sql<{ bigint: bigint }> {
  return postgres(url, {
    max: 2,
    onnotice: () => {},
    connection: { application_name: 'fault suite', timezone: 'UTC' },
    types: { bigint: postgres.BigInt },
  });
}

export function run(...command: string[]): void {
  const { success, stderr } = Bun.spawnSync(command);
  if (!success) throw new Error(`${command.join(' ')}: ${stderr.toString().trim()}`);
}

/** As the build's own service does before its apps start. */
export async function migrateFrom(build: string, url: string): Promise<void> {
  const places = ['db/schema/migrate.main.ts', 'db/migrate.main.ts'];
  const command = [process.execPath, places.find((file) => existsSync(join(build, file)))!];
  const { success, stderr } = Bun.spawnSync(command, {
    cwd: build,
    env: { ...process.env, DATABASE_URL: url },
  });
  if (!success) throw new Error(`${command.join(' ')} in ${build}: ${stderr.toString().trim()}`);
}

export function withPort(url: string, port: number): string {
  const changed = new URL(url);
  changed.port = String(port);
  return changed.href;
}
