import { round } from '../measure.ts';
import type { Question } from '../questions.ts';
import type { Progress } from '../report.ts';
import type { AnswerRow, Peer } from './peer.ts';

export interface Asked {
  p50: number;
  p99: number;
  answers: number;
}

const warmUpMs = 1_000;
/** Asked for longer than wanted where answers are slow: up to so many, within so long. */
const slowAnswersMin = 3;
const slowMsMax = 60_000;
const answersMax = 20_000;
/** Of questions about one subject: so many subjects' answers are compared. */
const subjectsCompared = 10;
/** Doubles differ in their last digits with the order in which they are added. */
const relativeErrorMax = 1e-9;

/** One question after the other over one connection, for so long each; ms, as whoever asks sees them. */
export async function askAll(
  peer: Peer,
  questions: readonly Question[],
  seconds: number,
  progress: Progress,
): Promise<Record<string, Asked>> {
  const asked: Record<string, Asked> = {};
  for (const question of questions) {
    progress(`asking ${question.name}`);
    await askFor(peer, question, Math.min(warmUpMs, seconds * 1_000), 0);
    const tookMs = (await askFor(peer, question, seconds * 1_000, slowAnswersMin)).sort((a, b) => a - b);
    const quantile = (share: number) =>
      round(tookMs[Math.min(tookMs.length - 1, Math.floor(tookMs.length * share))]!, 2);
    asked[question.name] = { p50: quantile(0.5), p99: quantile(0.99), answers: tookMs.length };
  }
  return asked;
}

async function askFor(peer: Peer, question: Question, ms: number, atLeast: number): Promise<number[]> {
  const tookMs: number[] = [];
  const beganMs = performance.now();
  let nowMs = beganMs;
  while (nowMs - beganMs < (tookMs.length < atLeast ? slowMsMax : ms) && tookMs.length < answersMax) {
    await peer.ask(question, tookMs.length);
    const answeredMs = performance.now();
    tookMs.push(answeredMs - nowMs);
    nowMs = answeredMs;
  }
  return tookMs;
}

/** Answers to compare others with: of each question those for its first subjects. */
export async function answersOf(
  peer: Peer,
  questions: readonly Question[],
): Promise<Map<string, AnswerRow[]>> {
  const answers = new Map<string, AnswerRow[]>();
  for (const question of questions) {
    for (let n = 0; n < Math.min(question.paths.length, subjectsCompared); n++) {
      answers.set(`${question.name} ${n}`, await peer.ask(question, n));
    }
  }
  return answers;
}

/** The sum of all values that a question's first answer has. */
export async function totalOf(peer: Peer, question: Question): Promise<number> {
  return (await peer.ask(question, 0)).reduce((sum, { value }) => sum + value, 0);
}

/** Where answers are not those that are wanted, as text; undefined: they are. */
export function difference(
  wanted: Map<string, AnswerRow[]>,
  answers: Map<string, AnswerRow[]>,
): string | undefined {
  for (const [name, rows] of wanted) {
    const given = byKey(answers.get(name) ?? []);
    const expected = byKey(rows);
    for (const key of new Set([...expected.keys(), ...given.keys()])) {
      const [a, b] = [expected.get(key), given.get(key)];
      if (a === undefined || b === undefined || Math.abs(a - b) > relativeErrorMax * Math.abs(a)) {
        return `${name}, ${key}: ${b ?? 'nothing'} where ${a ?? 'nothing'} is right`;
      }
    }
  }
  return undefined;
}

function byKey(rows: readonly AnswerRow[]): Map<string, number> {
  return new Map(
    rows.map(({ windowMs, groups, value }) => [
      [windowMs === null ? 'total' : new Date(windowMs).toISOString(), ...groups].join(' '),
      value,
    ]),
  );
}
