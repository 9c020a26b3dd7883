import { appendFile, readFile } from 'node:fs/promises';
import { git } from './git.ts';
import type { RoundReport } from './round.ts';
import type { SuiteOptions, SuiteReport } from './suite.ts';

/** What the rounds of one fault add up to. */
export interface Totals
  extends Pick<
    RoundReport,
    'sent' | 'accepted' | 'retried' | 'stored' | 'duplicates' | 'lost' | 'takenAway' | 'doubled'
  > {
  rounds: number;
  /** Rounds without a way out. */
  stuck: number;
  /** Rounds with a broken promise, of whatever kind. */
  broken: number;
  recoveryMsMax: number;
  /** Events waiting at the beginning of the slowest recovery. */
  backlogThen: number;
}

/** One line of the record: a piece, run with one seed. */
export interface Piece {
  /** What ran, `+` where files differ from it; empty outside of a repository. */
  commit: string;
  seed: number;
  startedAt: string;
  minutes: number;
  quick: boolean;
  events: number;
  rate: number;
  total: Totals;
  faults: Record<string, Totals>;
  skipped: Record<string, string>;
  /** Each with its round and fault. */
  brokenPromises: string[];
}

const nothing: Totals = {
  rounds: 0,
  sent: 0,
  accepted: 0,
  retried: 0,
  stored: 0,
  duplicates: 0,
  lost: 0,
  takenAway: 0,
  doubled: 0,
  stuck: 0,
  broken: 0,
  recoveryMsMax: 0,
  backlogThen: 0,
};

export function pieceOf(
  options: Pick<SuiteOptions, 'seed' | 'quick' | 'events' | 'rate'>,
  startedMs: number,
  { rounds, skipped }: SuiteReport,
): Piece {
  const { seed, quick, events, rate } = options;
  const commit = git('describe', '--always', '--exclude=*', '--dirty=+') ?? '';
  const faults: Record<string, Totals> = {};
  for (const round of rounds)
    faults[round.fault] = together([faults[round.fault] ?? nothing, totalsOf(round)]);
  return {
    commit,
    seed,
    startedAt: new Date(startedMs).toISOString(),
    minutes: Math.round((Date.now() - startedMs) / 6_000) / 10,
    quick,
    events,
    rate,
    total: together(Object.values(faults)),
    faults,
    skipped: Object.fromEntries(skipped),
    brokenPromises: rounds.flatMap(({ round, fault, broken }) =>
      broken.map((sentence) => `${round} ${fault}: ${sentence}`),
    ),
  };
}

function totalsOf(round: RoundReport): Totals {
  const { sent, accepted, retried, stored, duplicates, lost, takenAway, doubled } = round;
  return {
    ...{ rounds: 1, sent, accepted, retried, stored, duplicates, lost, takenAway, doubled },
    stuck: round.stuck ? 1 : 0,
    broken: round.broken.length > 0 ? 1 : 0,
    recoveryMsMax: round.recoveryMs,
    backlogThen: round.backlog,
  };
}

function together(parts: readonly Totals[]): Totals {
  const sum = { ...nothing };
  for (const part of parts) {
    for (const name of Object.keys(nothing) as (keyof Totals)[])
      if (name !== 'recoveryMsMax' && name !== 'backlogThen') sum[name] += part[name];
    if (part.recoveryMsMax >= sum.recoveryMsMax) {
      sum.recoveryMsMax = part.recoveryMsMax;
      sum.backlogThen = part.backlogThen;
    }
  }
  return sum;
}

export async function appendPiece(file: string, piece: Piece): Promise<void> {
  await appendFile(file, `${JSON.stringify(piece)}\n`);
}

export async function readPieces(file: string): Promise<Piece[]> {
  const text = await readFile(file, 'utf8');
  return text
    .split('\n')
    .filter(Boolean)
    .map((one) => JSON.parse(one) as Piece);
}

/** A line for each fault, then what was broken, then all together. */
export function summary(pieces: readonly Piece[]): string {
  const names = [...new Set(pieces.flatMap(({ faults }) => Object.keys(faults)))].sort();
  const width = Math.max(0, ...names.map((name) => name.length));
  const lines = names.map(
    (name) =>
      `${name.padEnd(width)} ${describe(together(pieces.flatMap(({ faults }) => faults[name] ?? [])))}`,
  );
  for (const { seed, brokenPromises } of pieces)
    for (const sentence of brokenPromises) lines.push(`BROKEN seed ${seed} round ${sentence}`);
  const skipped = new Set(
    pieces.flatMap((piece) => Object.entries(piece.skipped).map((one) => one.join(': '))),
  );
  for (const one of skipped) lines.push(`SKIPPED ${one}`);
  const minutes = pieces.reduce((sum, piece) => sum + piece.minutes, 0).toFixed(1);
  const seeds = pieces.map(({ seed }) => seed).join(', ');
  const commits = [...new Set(pieces.map(({ commit }) => commit))].join(', ');
  lines.push(
    `commits ${commits}, seeds ${seeds}: ${describe(together(pieces.map(({ total }) => total)))}, in ${minutes} minutes`,
  );
  return lines.join('\n');
}

function describe(totals: Totals): string {
  const { rounds, sent, accepted, retried, stored, duplicates, lost, takenAway, doubled, stuck, broken } =
    totals;
  const taken = takenAway > 0 ? ` (taken away by the fault ${takenAway})` : '';
  const slowest = `slowest recovery ${(totals.recoveryMsMax / 1_000).toFixed(1)} s with a backlog of ${totals.backlogThen}`;
  return `rounds ${rounds}, sent ${sent}, accepted ${accepted}, retried ${retried}, stored ${stored}, duplicates ${duplicates}, lost ${lost}${taken}, doubled ${doubled}, stuck ${stuck}, rounds with a broken promise ${broken}, ${slowest}`;
}
