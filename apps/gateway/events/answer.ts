import type { EventIssue } from '@usage/lib/event/event.ts';
import type { EventOutcome } from '@usage/lib/stream/outcome.ts';
import type { BadEvent } from './invalidEvents.ts';
import { type Preferences, preferenceApplied } from './prefer.ts';

/** What became of a request's events. */
export interface Outcome {
  /** All events of the request, parsed. */
  events: readonly unknown[];
  rejected: readonly BadEvent[];
  /** Where the kept events stood in the request; undefined = all of them were kept. */
  keptIndexes: readonly number[] | undefined;
  /** Events that were not stored as new ones, by position among the kept; undefined = not known to be committed. */
  committed: readonly EventOutcome[] | undefined;
}

interface EventAnswer {
  index: number;
  id?: string;
  source?: string;
  outcome: 'accepted' | 'stored' | 'duplicate' | 'dead_letter' | 'rejected';
  reason?: string;
  validationErrors?: readonly EventIssue[];
}

/** Whether 204 says it all: every event is kept, and nothing else was asked. */
export function isNothingToTell(preferences: Preferences, rejected: readonly BadEvent[]): boolean {
  return !preferences.representation && preferences.waitSeconds === undefined && rejected.length === 0;
}

/**
 * 200, or 202 when the client wished to wait and the commit didn't come in time: its events are kept all the same.
 * Events are listed where their outcome isn't the usual one, or all of them.
 */
export function answerTo(outcome: Outcome, preferences: Preferences): Response {
  const { representation, waitSeconds } = preferences;
  const all = outcomesOf(outcome);
  const count = (wanted: EventAnswer['outcome']) => all.filter((event) => event.outcome === wanted).length;
  const usual = outcome.committed ? 'stored' : 'accepted';
  const body = {
    received: outcome.events.length,
    rejected: outcome.rejected.length,
    committed: outcome.committed !== undefined,
    ...(outcome.committed && {
      stored: count('stored'),
      duplicates: count('duplicate'),
      deadLetters: count('dead_letter'),
    }),
    events: representation ? all : all.filter((event) => event.outcome !== usual),
  };
  const inTime = waitSeconds === undefined || outcome.committed !== undefined;
  return Response.json(body, { status: inTime ? 200 : 202, headers: preferenceApplied(preferences) });
}

function outcomesOf({ events, rejected, keptIndexes, committed }: Outcome): EventAnswer[] {
  const answers = events.map((event, index): EventAnswer => {
    return { index, ...identityOf(event), outcome: committed ? 'stored' : 'accepted' };
  });
  for (const { index, issues: validationErrors } of rejected)
    Object.assign(answers[index]!, { outcome: 'rejected', validationErrors });
  for (const { position, outcome, reason } of committed ?? []) {
    const index = keptIndexes ? keptIndexes[position] : position;
    const answer = index === undefined ? undefined : answers[index];
    if (answer) Object.assign(answer, { outcome, ...(reason !== undefined && { reason }) });
  }
  return answers;
}

/** As far as a rejected event has them. */
function identityOf(event: unknown): { id?: string; source?: string } {
  const { id, source } = (event ?? {}) as Record<string, unknown>;
  return {
    ...(typeof id === 'string' && { id: id.slice(0, 1_024) }),
    ...(typeof source === 'string' && { source: source.slice(0, 1_024) }),
  };
}
