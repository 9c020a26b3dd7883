import type { Sql } from '@usage/db/connection/connect.ts';
import {
  duplicatesBySteps,
  newestSubjects,
  openDeadLetters,
  storedBySteps,
  takenBySteps,
} from '@usage/db/events/activity.ts';
import type { Identity } from '@usage/lib/auth/access.ts';
import type { EventStream } from '@usage/lib/stream/stream.ts';
import { fromDatabase } from '../database.ts';
import { type Activity, busiestMax, deadLettersCountMax } from './model.ts';

const fineMinutesMax = 10;
const fineStepSeconds = 10;
const coarseStepSeconds = 60;
const sample = { batchesMax: 50, eventsMax: 5_000, subjectsMax: busiestMax };

/** Problems: 503 while PostgreSQL is away. Without Redis it leaves out what waits. */
export async function activityOf(
  sql: Sql,
  stream: EventStream,
  by: Identity,
  minutes: number,
  nowMs = Date.now(),
): Promise<Activity> {
  const { namespace, isOperator } = by;
  const stepSeconds = minutes <= fineMinutesMax ? fineStepSeconds : coarseStepSeconds;
  const stepMs = stepSeconds * 1_000;
  const fromMs = Math.floor((nowMs - minutes * 60_000) / stepMs) * stepMs;
  const position = stream.position().catch(() => undefined);
  const [taken, stored, duplicates, subjects, open] = await fromDatabase(
    Promise.all([
      takenBySteps(sql, namespace, fromMs, stepSeconds),
      storedBySteps(sql, namespace, fromMs, stepSeconds),
      isOperator ? duplicatesBySteps(sql, fromMs, stepSeconds) : undefined,
      newestSubjects(sql, namespace, fromMs, sample),
      by.scopes.includes('admin')
        ? openDeadLetters(sql, { namespace, withUnowned: isOperator }, deadLettersCountMax)
        : undefined,
    ]),
  );
  const waiting = await position;
  const steps = new Map<number, Activity['steps'][number]>();
  for (let ms = fromMs; ms <= nowMs; ms += stepMs) {
    const step = { start: new Date(ms).toISOString(), accepted: 0, rejected: 0, stored: 0 };
    steps.set(ms, duplicates ? { ...step, duplicates: 0 } : step);
  }
  for (const { start_ms: ms, accepted, rejected } of taken) {
    const step = steps.get(ms);
    if (step) Object.assign(step, { accepted, rejected });
  }
  const byType = new Map<string, number>();
  for (const { start_ms: ms, type, events } of stored) {
    const step = steps.get(ms);
    if (step) step.stored += events;
    byType.set(type, (byType.get(type) ?? 0) + events);
  }
  for (const { start_ms: ms, duplicates: count } of duplicates ?? []) {
    const step = steps.get(ms);
    if (step) step.duplicates = count;
  }
  return {
    from: new Date(fromMs).toISOString(),
    to: new Date(nowMs).toISOString(),
    stepSeconds,
    steps: [...steps.values()],
    ...(waiting && {
      asOf: new Date(waiting.asOfMs).toISOString(),
      eventsWaiting: waiting.eventsWaiting,
    }),
    ...(open !== undefined && { deadLetters: { open } }),
    busiest: {
      types: [...byType]
        .map(([type, events]) => ({ type, events }))
        .sort((a, b) => b.events - a.events)
        .slice(0, busiestMax),
      subjects: subjects.map(({ subject, events }) => ({ subject, events })),
      subjectsSampled: subjects[0]?.of ?? 0,
    },
  };
}
