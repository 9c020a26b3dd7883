import { subjectCount, subjectName } from './events.ts';
import type { RawQuestion } from './sql/rawUsage.ts';

/** What is asked over HTTP. */
export interface HttpQuestion {
  name: string;
  /** One for each of many subjects where the question is about one. */
  paths: string[];
}

/** An answer without a look into the database: nothing on this machine is faster, with or without ingest beside it. */
export const liveness: HttpQuestion = { name: 'liveness', paths: ['/health/live'] };

/** What is asked of the meter load_tokens, and the same asked of the events. */
export interface Question extends HttpQuestion {
  raw(n: number): RawQuestion;
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const subjectsAsked = 200;
/** Busy and quiet ones. */
const subjects = Array.from({ length: subjectsAsked }, (_, n) =>
  subjectName(Math.floor((subjectCount * n) / subjectsAsked)),
);

/** What bills and dashboards ask; ranges end at the last full day, hour or minute before `nowMs`. */
export function questions(nowMs: number): Question[] {
  const today = floor(nowMs, dayMs);
  const thisHour = floor(nowMs, hourMs);
  const month = { from: today - 29 * dayMs, to: today };
  return [
    question('subjectByDay', { ...month, window: 'day', oneSubject: true }),
    question('subjectByHour', { from: thisHour - 7 * dayMs, to: thisHour, window: 'hour', oneSubject: true }),
    question('allTotal', month),
    question('twoKeysByDay', { ...month, window: 'day', groupBy: ['model', 'direction'] }),
    question('subjectByMinute', {
      from: thisHour - hourMs,
      to: thisHour,
      window: 'minute',
      oneSubject: true,
    }),
  ];
}

interface Asked {
  from: number;
  to: number;
  window?: 'minute' | 'hour' | 'day';
  groupBy?: string[];
  oneSubject?: boolean;
}

function question(name: string, { from, to, window, groupBy = [], oneSubject = false }: Asked): Question {
  const common = new URLSearchParams({ from: new Date(from).toISOString(), to: new Date(to).toISOString() });
  if (window) common.set('windowSize', window.toUpperCase());
  for (const key of groupBy) common.append('groupBy', key);
  const path = (subject?: string) =>
    `/api/v1/meters/load_tokens/query?${common}${subject === undefined ? '' : `&subject=${subject}`}`;
  return {
    name,
    paths: oneSubject ? subjects.map(path) : [path()],
    raw: (n) => ({
      type: 'prompt',
      value: 'tokens',
      groupBy,
      subject: oneSubject ? subjects[n % subjects.length] : undefined,
      from: new Date(from),
      to: new Date(to),
      window,
    }),
  };
}

function floor(ms: number, unitMs: number): number {
  return ms - (ms % unitMs);
}
