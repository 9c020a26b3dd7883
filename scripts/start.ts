import { join, resolve } from 'node:path';
import { buildConsole } from '../apps/console/build.ts';
import { migrateSettings } from '../db/schema/config.ts';
import { migrateOver } from '../db/schema/migrate.ts';
import { readConfig } from '../lib/service/config.ts';
import { saidTo } from '../lib/service/runApp.ts';
import { commonSettings } from '../lib/service/settings.ts';
import { StartError } from '../lib/service/startError.ts';
import { type LocalApp, startApp } from './local/app.ts';
import { checkDiskSpace } from './local/disk.ts';
import { takeLock } from './local/lock.ts';
import { freePort, isPortFree } from './local/ports.ts';
import { useServers } from './local/servers.ts';
import { checkSettings, services, startSettings } from './services.ts';

/**
 * `npm start`, `bun start`, `bun run dev`: the whole system on this machine. Servers, schema, apps; then waits for
 * Ctrl-C, or for something to die, and stops everything in reverse. Exits with 0 after an orderly stop, else 1.
 */
const root = join(import.meta.dirname, '..');
const folder = resolve(root, process.env.DATA_FOLDER || startSettings.folder.fallback!);
const watch = process.argv.includes('--watch');
/** On loopback nobody else gets in: keys only where they are asked for (an app refuses to do without elsewhere). */
const auth = process.env.AUTH || (process.env.ADMIN_API_KEY ? 'keys' : 'off');
const settings = { ...process.env, AUTH: auth };
/** More than an app gives itself. */
const appStopGraceMs = 3_000;
const sameSignalMsMax = 1_000;

type Undo = () => unknown;
const undo: Undo[] = [];
const say = (line: string) => console.log(line);

const stopAsked = signalled();
let orderly = true;
try {
  const running = start();
  const began = await Promise.race([running, stopAsked]);
  if (began === 'stop') {
    // What is being started is stopped as well, once it is up.
    await running.catch(() => {});
  } else {
    const reason = await Promise.race([stopAsked, began.somethingDied]);
    if (reason !== 'stop') throw new StartError(reason);
  }
  say('\nStopping …');
} catch (error) {
  orderly = false;
  console.error(`\n${saidTo(error)}`);
}
for (const step of undo.toReversed()) {
  if ((await step()) === false) orderly = false;
}
process.exit(orderly ? 0 : 1);

async function start(): Promise<{ somethingDied: Promise<string> }> {
  checkSettings(settings);
  undo.push(await takeLock(join(folder, 'start.lock')));
  const { host, ports } = await choosePorts();
  if (!process.env.DATABASE_URL || !process.env.REDIS_URL) await checkDiskSpace(folder);

  say('Starting PostgreSQL and Redis …');
  const { postgres, redis } = await useServers(folder);
  undo.push(() => say(orderly ? 'Stopped.' : 'Stopped, after a fault.'), redis.stop, postgres.stop);
  say(`  ${postgres.about}\n  ${redis.about}`);

  const { periodDays, dedupeWindowHours, directDatabaseUrl } = readConfig(migrateSettings);
  const { ran } = await migrateOver(postgres.url, directDatabaseUrl, {
    direction: 'up',
    periodDays,
    dedupeWindowHours,
    log: console.error,
  });
  if (ran.length > 0) say(`  migrated: ${ran.join(', ')}`);

  await buildConsole();
  say('Starting the apps …');
  const reachable = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  const urlOf = (name: string) => `http://${reachable}:${ports.get(name)}`;
  const env = {
    ...settings,
    DATABASE_URL: postgres.url,
    REDIS_URL: redis.url,
    QUERY_URL: process.env.QUERY_URL || urlOf('query'),
    LIMITS_URL: process.env.LIMITS_URL || urlOf('limits'),
    ...Object.fromEntries(services.map(({ name, portSetting }) => [portSetting, String(ports.get(name))])),
  };
  const apps = services.map(({ name }) => {
    const logFile = join(folder, `logs/${name}.log`);
    return startApp({ name, url: urlOf(name), env, logFile, watch, show: say });
  });
  const { stopMsMax } = readConfig(commonSettings);
  undo.push(() => stopApps(apps, stopMsMax + appStopGraceMs));

  const appDied = Promise.race(
    apps.map(async (app) => `${app.name} ended (${await app.exited}). Its last lines:\n${lastLines(app)}`),
  );
  const serverDied = Promise.race(
    [postgres, redis].map(async (server) => {
      await server.exited;
      return `${server.name} ended: see ${join(folder, 'logs')}.`;
    }),
  );
  const somethingDied = Promise.race([appDied, serverDied]);
  const died = await Promise.race([
    somethingDied,
    Promise.all(apps.map((app) => app.waitUntilReady())).then(() => ''),
  ]);
  if (died) throw new StartError(died);
  say(welcome(apps, urlOf('gateway'), urlOf('query')));
  return { somethingDied };
}

/** The ports that the settings name; a port of 0 is chosen here, so that the start can print it. */
async function choosePorts(): Promise<{ host: string; ports: Map<string, number> }> {
  const { host } = readConfig(commonSettings);
  const ports = new Map<string, number>();
  for (const { name, portSetting, settings } of services) {
    const { port: wished } = readConfig({ port: settings.port! }) as { port: number };
    if (wished !== 0 && !(await isPortFree(wished, host))) {
      throw new StartError(
        `Port ${wished} of ${host}, where ${name} should listen, is taken or not allowed: stop what listens there, or set ${portSetting} to another one.`,
      );
    }
    ports.set(name, wished === 0 ? await freePort(host) : wished);
  }
  return { host, ports };
}

/** The gateway first: nothing new comes in while the others finish what they hold. */
async function stopApps(apps: LocalApp[], msMax: number): Promise<boolean> {
  const isGateway = (app: LocalApp) => app.name === 'gateway';
  const stop = async (app: LocalApp) => {
    const inOrder = await app.stop(msMax);
    if (!inOrder) say(`${app.name} did not stop in order (${await app.exited}):\n${lastLines(app)}`);
    return inOrder;
  };
  const stopAll = (some: LocalApp[]) => Promise.all(some.map(stop));
  const first = await stopAll(apps.filter(isGateway));
  const rest = await stopAll(apps.filter((app) => !isGateway(app)));
  return [...first, ...rest].every(Boolean);
}

/**
 * The first SIGINT or SIGTERM asks for a stop; a second one ends everything at once (our servers follow us). One Ctrl-C
 * arrives twice when npm passes it on as well.
 */
function signalled(): Promise<'stop'> {
  const { promise, resolve } = Promise.withResolvers<'stop'>();
  let firstAt: number | undefined;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      firstAt ??= performance.now();
      if (performance.now() - firstAt > sameSignalMsMax) process.exit(1);
      resolve('stop');
    });
  }
  return promise;
}

function lastLines(app: LocalApp): string {
  return app.log.lastLines.map((line) => `  ${line}`).join('\n') || '  (none)';
}

function welcome(apps: LocalApp[], gateway: string, query: string): string {
  const key = auth === 'keys' ? ` -H "Authorization: Bearer $ADMIN_API_KEY"` : '';
  const addresses = apps.map(({ name, url }) => `  ${name.padEnd(11)} ${url}`).join('\n');
  return `
Running${watch ? ', and restarting an app when its source changes' : ''}:
${addresses}
  console     ${gateway}/console: see, try and correct usage in a browser
  API pages   ${gateway}/swagger and ${query}/swagger
  logs        ${join(folder, 'logs')}

Send an event:
  curl -i ${gateway}/api/v1/events${key} -H 'Content-Type: application/cloudevents+json' -d \\
    '{"specversion":"1.0","id":"'$(date +%s%N)'","source":"my-app","type":"llm","subject":"customer-1","data":{"tokens":1432,"model":"small"}}'

Define a meter (it covers the events stored before it), and ask it:
  curl ${gateway}/api/v1/meters${key} -H 'Content-Type: application/json' -d \\
    '{"slug":"tokens","eventType":"llm","aggregation":"SUM","valueProperty":"$.tokens","groupBy":{"model":"$.model"}}'
  curl '${gateway}/api/v1/meters/tokens/query?windowSize=DAY&groupBy=model'${key}

Ctrl-C stops everything; the data stays.`;
}
