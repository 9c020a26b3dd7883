import { Ledger } from './ledger.ts';
import { run, Stack } from './stack.ts';
import { devRestarts } from './steps/dev.ts';
import { grafanaReads, monitoring, nginxKeepsItsPromises } from './steps/edges.ts';
import { scaleBehindNginx, scaleWithoutNginx, survivesCrash } from './steps/faults.ts';
import { keysAreAsked } from './steps/keys.ts';
import { logsArrive } from './steps/logs.ts';
import { backupAndRestore, limitsHold, rollingUpdate } from './steps/operations.ts';
import { secondCopy } from './steps/secondCopy.ts';
import {
  build,
  configIsValid,
  containersAreLockedDown,
  makeMeters,
  seconds,
  upFromNothing,
} from './steps/start.ts';
import { stuckLoopsAreNoticed } from './steps/stuck.ts';
import { schemaUpgrade } from './steps/upgrade.ts';

/**
 * `bun tests/compose/prove.ts`: runs compose.yaml for real, from nothing to a restored backup, and prints what each step
 * showed. Exits with 0 when every step holds, 1 at the first that doesn't (the stack is left up with --keep), 3 when
 * there is no Docker engine. Twelve minutes or so; on 127.0.0.1 only, in a project of its own.
 */
const exit = { failed: 1, leftOut: 3 };
const keep = process.argv.includes('--keep');
/** `--without WORD…`: leaves steps out whose names hold one of the words; what they would have shown stays open. */
const leftOut = process.argv.includes('--without')
  ? process.argv.slice(process.argv.indexOf('--without') + 1)
  : [];

if ((await run(['docker', 'info'])).code !== 0) {
  console.error('LEFT OUT: no Docker engine answers, compose.yaml was not run');
  process.exit(exit.leftOut);
}
const stack = await Stack.create();
const ledger = new Ledger(stack);
await refuseBesideAnother();

const steps: [string, () => Promise<string>][] = [
  ['configuration valid for every combination of profiles', () => configIsValid(stack)],
  ['images built, dependencies once', () => build(stack)],
  ['up from nothing', () => upFromNothing(stack)],
  ['meters made', () => makeMeters(stack)],
  ['first event in, first answer out', () => firstAnswer()],
  ['containers locked down, limits set', () => containersAreLockedDown(stack)],
  ['a second copy beside it', () => secondCopy(stack, ledger)],
  ['three gateways without nginx', () => scaleWithoutNginx(stack, ledger)],
  ['three gateways, two processors behind nginx', () => scaleBehindNginx(stack, ledger)],
  ['nginx', () => nginxKeepsItsPromises(stack)],
  ['Prometheus', () => monitoring(stack)],
  ['Loki', () => logsArrive(stack)],
  ["Grafana's SQL", () => grafanaReads(stack)],
  ['a gateway killed under load', () => survivesCrash(stack, ledger, 'api_gateway')],
  ['a processor killed under load', () => survivesCrash(stack, ledger, 'event_processor')],
  ['Redis killed under load', () => survivesCrash(stack, ledger, 'redis')],
  ['PostgreSQL killed under load', () => survivesCrash(stack, ledger, 'postgres')],
  ['schema upgraded and taken back under load', () => schemaUpgrade(stack, ledger)],
  ['rolling update under load', () => rollingUpdate(stack, ledger)],
  ['backup, wipe, restore', () => backupAndRestore(stack, ledger)],
  ['stuck loops noticed', () => stuckLoopsAreNoticed(stack, ledger)],
  ['keys asked for', () => keysAreAsked(stack, ledger)],
  ['apps restart when a source changes', () => devRestarts(stack, ledger)],
  ['limits hold', () => limitsHold(stack, ledger)],
];

let failed = false;
try {
  for (const [name, step] of steps) {
    if (leftOut.some((word) => name.includes(word))) {
      console.log(`LEFT OUT ${name}`);
      continue;
    }
    const startedMs = performance.now();
    const shown = await step();
    console.log(`ok      ${name} (${seconds(performance.now() - startedMs)})\n        ${shown}`);
  }
} catch (error) {
  failed = true;
  console.log(`FAILED  ${(error as Error).message}`);
} finally {
  if (!keep) await stack.down();
}
console.log(
  failed
    ? 'compose: FAILED'
    : `compose: ${steps.filter(([name]) => !leftOut.some((word) => name.includes(word))).length} of ${steps.length} steps hold`,
);
process.exit(failed ? exit.failed : 0);

async function firstAnswer(): Promise<string> {
  const startedMs = performance.now();
  const load = ledger.load({ url: stack.apiUrl, senders: 1, eventsPerRequest: 1 });
  await ledger.close(load);
  const acknowledgedMs = performance.now();
  const balance = await ledger.balance();
  return `acknowledged after ${Math.round(acknowledgedMs - startedMs)} ms, answered after ${Math.round(performance.now() - startedMs)} ms; ${balance}`;
}

/** It has the names and the subnet that a stack has by default, which are there once on a machine. */
async function refuseBesideAnother(): Promise<void> {
  const { stdout } = await run([
    'docker',
    'ps',
    '-a',
    '--filter',
    'name=^/usage_(postgres|redis)$',
    '--format',
    '{{.Label "com.docker.compose.project"}}',
  ]);
  const others = stdout.split('\n').filter((name) => name !== '' && name !== stack.project);
  if (others.length > 0) {
    console.error(`The stack runs already, as project ${others[0]}: stop it first.`);
    process.exit(exit.failed);
  }
  await stack.down();
}
