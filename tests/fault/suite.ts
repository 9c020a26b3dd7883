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
  /** No round begins any more. */
  stopping?: AbortSignal;
  say: (line: string) => void;
}

export interface SuiteReport {
  rounds: RoundReport[];
  /** Faults that this machine can't play, with the reason. */
  skipped: Map<string, string>;
}

/** Rounds on one stack; afterwards a fresh one, so that nothing adds up unseen. */
const roundsPerStack = 12;

/**
 * Seeded rounds of one fault each: every fault comes once before any comes twice, in random order. Servers are shared by
 * the rounds of faults that need nothing special; they idle while one runs that does.
 */
export async function runSuite(options: SuiteOptions): Promise<SuiteReport> {
  const { say } = options;
  const random = new Random(options.seed);
  const chosen = options.names.length === 0 ? faults : options.names.map(faultNamed);
  const report: SuiteReport = { rounds: [], skipped: new Map() };
  let shared: { stack: Stack; rounds: number } | undefined;
  let left: Fault[] = [];
  const broken = new Set<Stack>();
  const run = async (fault: Fault, number: number, stack: Stack, roundRandom: Random) => {
    const over = new AbortController();
    const roundOptions = { ...options, number, fault, random: roundRandom, over: over.signal };
    const round = await runRound(stack, roundOptions)
      .catch((error) => failedRound(number, fault, error as Error))
      .finally(() => over.abort());
    report.rounds.push(round);
    if (round.broken.length > 0) broken.add(stack);
    say(line(round));
    return round;
  };
  const drop = async (stack: Stack, round: RoundReport | undefined) => {
    const { late, logs } = await stack.drop({ keepLogs: broken.has(stack) });
    if (logs) say(`    logs are kept in ${logs}`);
    for (const name of late) {
      const sentence = `${name} did not end with exit code 0 within its deadline`;
      round?.broken.push(sentence);
      say(`    BROKEN ${sentence}`);
    }
  };
  try {
    for (let number = 1; number <= options.rounds && !options.stopping?.aborted; number++) {
      if (left.length === 0) left = random.shuffled(chosen);
      const fault = left.pop()!;
      const roundRandom = random.fork();
      const reason = await fault.skip?.();
      if (reason) {
        if (!report.skipped.has(fault.name)) say(`  SKIPPED ${fault.name}: ${reason}`);
        report.skipped.set(fault.name, reason);
        continue;
      }
      if (fault.stack) {
        const own = await Stack.start(typeof fault.stack === 'function' ? await fault.stack() : fault.stack);
        let round: RoundReport | undefined;
        try {
          round = await run(fault, number, own, roundRandom);
        } finally {
          await drop(own, round);
        }
        continue;
      }
      shared ??= { stack: await Stack.start(), rounds: 0 };
      const round = await run(fault, number, shared.stack, roundRandom);
      if (++shared.rounds === roundsPerStack || round.stuck) {
        const { stack } = shared;
        shared = undefined;
        await drop(stack, round);
      }
    }
  } finally {
    if (shared) await drop(shared.stack, report.rounds.at(-1));
  }
  return report;
}

/** The suite's own error: what became of the events nobody knows, so it counts as stuck, and the stack is given up. */
function failedRound(round: number, fault: Fault, error: Error): RoundReport {
  return {
    ...{ round, fault: fault.name, strikes: 0, sent: 0, accepted: 0, retried: 0, stored: 0, duplicates: 0 },
    ...{ lost: 0, takenAway: 0, doubled: 0, backlog: 0, recoveryMs: 0, stuck: true, notes: [] },
    tookMs: { ready: 0, strikes: 0, recovery: 0, accepted: 0, reconciliation: 0 },
    broken: [`the round did not end: ${error.stack ?? error.message}`],
  };
}

function faultNamed(name: string): Fault {
  const fault = faults.find((one) => one.name === name);
  if (!fault)
    throw new Error(`there is no fault ${name}; there are ${faults.map((one) => one.name).join(', ')}`);
  return fault;
}

function line(report: RoundReport): string {
  const { round, fault, strikes, sent, accepted, retried, stored, duplicates, lost, takenAway, doubled } =
    report;
  const seconds = (ms: number) => (ms / 1_000).toFixed(1);
  const { tookMs } = report;
  const taken = takenAway > 0 ? ` taken away ${takenAway}` : '';
  const numbers = `sent ${sent} accepted ${accepted} retried ${retried} stored ${stored} duplicates ${duplicates} lost ${lost}${taken} doubled ${doubled}`;
  const recovery = `backlog ${report.backlog} recovered in ${seconds(report.recoveryMs)} s, all accepted after ${seconds(tookMs.accepted)}`;
  const took = `(ready ${seconds(tookMs.ready)}, strikes ${seconds(tookMs.strikes)}, reconciliation ${seconds(tookMs.reconciliation)} s)`;
  const broken = report.broken.map((sentence) => `\n    BROKEN ${sentence}`).join('');
  const notes = report.notes.length > 0 ? `\n    ${report.notes.join('; ')}` : '';
  return `${String(round).padStart(3)} ${fault} ×${strikes}: ${numbers} ${recovery} ${took}${notes}${broken}`;
}
