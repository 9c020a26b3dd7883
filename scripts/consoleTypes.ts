import { join } from 'node:path';
import { Registry } from 'prom-client';
import { gatewaySettings } from '../apps/gateway/config.ts';
import { createGateway, type GatewayParts } from '../apps/gateway/gateway.ts';
import { openAccess } from '../lib/auth/access.ts';
import { readConfig } from '../lib/service/config.ts';
import { Health } from '../lib/service/health.ts';
import { createLog } from '../lib/service/log.ts';

/**
 * Writes the types of the console from the gateway's own OpenAPI description, so that no shape is written twice. The
 * gateway is made without connections: nothing but its description is asked for.
 */
const root = join(import.meta.dirname, '..');

export async function apiDescription(): Promise<string> {
  const none = {} as never;
  const parts: GatewayParts = {
    config: readConfig(gatewaySettings, {}),
    sql: none,
    stream: none,
    access: openAccess(),
    keysChanged: async () => {},
    outcomes: none,
    consoleFiles: new Map(),
    health: new Health(),
    registry: new Registry(),
    log: createLog('description', 'silent'),
  };
  const { app } = createGateway(parts);
  return (await app.handle(new Request('http://localhost/swagger/json'))).text();
}

export async function writeConsoleTypes(): Promise<void> {
  const child = Bun.spawn([process.execPath, 'apps/console/apiTypes.ts'], {
    cwd: root,
    stdin: new Blob([await apiDescription()]),
    stdout: 'inherit',
    stderr: 'inherit',
  });
  if ((await child.exited) !== 0) throw new Error('the types of the console could not be made');
}

if (import.meta.main) await writeConsoleTypes();
