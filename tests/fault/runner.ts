import { parseArgs } from 'node:util';
import type { Fault } from './fault.ts';
import { faults } from './faults/index.ts';
import { Random } from './random.ts';
import { type RoundReport, runRound } from './round.ts';
import { Stack } from './stack.ts';

export interface SuiteOptions {
  rounds: number;
  seed: number;
  /** Events a round, at the least. */
  events: number;
  rate: number;
  /** Names of faults; all where empty. */
  names: string[];
  quick: boolean;
  say: (line: string) => void;
}

/** Rounds on one stack; afterwards a fresh one, so that nothing adds up unseen. */
const roundsPerStack = 12;

/**
 * Seeded rounds of one fault each: every fault comes once before any comes twice, in random order. Servers are shared by
 * the rounds of faults that need nothing special.
 */
export async function runSuite(options: SuiteOptions): Promise<RoundReport[]> {
  const { say } = options;
  const random = new Random(options.seed);
  const chosen = options.names.length === 0 ? faults : options.names.map(faultNamed);
  const reports: RoundReport[] = [];
  const skipped = new Set<string>();
  let shared: Stack | undefined;
  let sharedRounds = 0;
  let left: Fault[] = [];
  try {
    for (let number = 1; number <= options.rounds; number++) {
      if (left.length === 0) left = random.shuffled(chosen);
      const fault = left.pop()!;
      const roundRandom = random.fork();
      const reason = await fault.skip?.();
      if (reason) {
        if (!skipped.has(fault.name)) say(`  SKIPPED ${fault.name}: ${reason}`);
        skipped.add(fault.name);
        continue;
      }
      if (shared && (sharedRounds === roundsPerStack || fault.stack)) {
        await shared.drop();
        shared = undefined;
      }
      const stack = shared ?? (await Stack.start(fault.stack));
      sharedRounds = shared ? sharedRounds + 1 : 1;
      shared = stack;
      const report = await runRound(stack, { ...options, number, fault, random: roundRandom });
      reports.push(report);
      say(line(report));
      if (fault.stack || report.stuck) {
        report.broken.push(...(await stopInTime(stack)));
        shared = undefined;
      }
    }
  } finally {
    if (shared) {
      const late = await stopInTime(shared);
      reports.at(-1)?.broken.push(...late);
      for (const sentence of late) say(`    BROKEN ${sentence}`);
    }
  }
  return reports;
}

async function stopInTime(stack: Stack): Promise<string[]> {
  return (await stack.drop()).map((name) => `${name} did not end with exit code 0 within its deadline`);
}

function faultNamed(name: string): Fault {
  const fault = faults.find((one) => one.name === name);
  if (!fault)
    throw new Error(`there is no fault ${name}; there are ${faults.map((one) => one.name).join(', ')}`);
  return fault;
}

export function line(report: RoundReport): string {
  const { round, fault, strikes, sent, accepted, retried, stored, duplicates, lost, doubled, backlog } =
    report;
  const numbers = `sent ${sent} accepted ${accepted} retried ${retried} stored ${stored} duplicates ${duplicates} lost ${lost} doubled ${doubled}`;
  const recovery = `backlog ${backlog} recovered in ${(report.recoveryMs / 1_000).toFixed(1)} s`;
  const broken = report.broken.map((sentence) => `\n    BROKEN ${sentence}`).join('');
  const notes = report.notes.length > 0 ? `\n    ${report.notes.join('; ')}` : '';
  return `${String(round).padStart(3)} ${fault} ×${strikes}: ${numbers} ${recovery}${notes}${broken}`;
}

export function summary(seed: number, reports: RoundReport[]): string {
  const sum = (field: 'sent' | 'accepted' | 'retried' | 'stored' | 'duplicates' | 'lost' | 'doubled') =>
    reports.reduce((total, report) => total + report[field], 0);
  const stuck = reports.filter((report) => report.stuck).length;
  const brokenRounds = reports.filter((report) => report.broken.length > 0).length;
  const slowest = Math.max(0, ...reports.map((report) => report.recoveryMs));
  return `seed ${seed}: ${reports.length} rounds, sent ${sum('sent')}, accepted ${sum('accepted')}, retried ${sum('retried')}, stored ${sum('stored')}, duplicates ${sum('duplicates')}, lost ${sum('lost')}, doubled ${sum('doubled')}, stuck ${stuck}, slowest recovery ${(slowest / 1_000).toFixed(1)} s, rounds with a broken promise ${brokenRounds}`;
}

/** `bun run test:fault [--rounds N] [--seed S] [--events N] [--rate N] [--quick] [--json] [fault …]` */
if (import.meta.main) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string' },
      seed: { type: 'string' },
      events: { type: 'string', default: '20000' },
      rate: { type: 'string', default: '20000' },
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 32));
  const rounds = Number(values.rounds ?? (positionals.length || faults.length));
  const say = values.json ? console.error : console.log;
  say(`seed ${seed}, ${rounds} rounds`);
  const reports = await runSuite({
    rounds,
    seed,
    events: Number(values.events),
    rate: Number(values.rate),
    names: positionals,
    quick: values.quick,
    say,
  });
  say(summary(seed, reports));
  if (values.json) console.log(JSON.stringify({ seed, reports }));
  process.exit(reports.every((report) => report.broken.length === 0) ? 0 : 1);
}
